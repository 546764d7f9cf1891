// Whether the package knows an extension.
import type { Family } from '../text/addresses.js';
import type { Kind } from './define.js';
import { registry } from './index.js';

/** Whether there is a match or target with this name, of any revision. */
export function hasExtension(family: Family, kind: Kind, name: string): boolean {
  return registry.newest(family, kind, name) !== undefined;
}
