// Which matches and targets a backend takes: what the kernel is asked, and what needs no question.
import { oneOf, stringAt } from '../checks.js';
import { badRange } from '../errors.js';
import type { TableBackend } from './edit/backend.js';
import type { Kind } from './extensions/define.js';
import { registry } from './extensions/index.js';
import { maxNameLength } from './rule/types.js';

/** Targets that are no extensions. */
const builtin = new Set(['ACCEPT', 'DROP', 'RETURN', 'jump', 'goto']);

export function kindAt(value: unknown): Kind {
  return oneOf(value, 'kind', ['match', 'target']);
}

/** A name that an extension can have. */
export function extensionAt(value: unknown): string {
  const name = stringAt(value, 'name', maxNameLength);
  if (name === '') throw badRange('name', 'the name of a match or target', name);
  return name;
}

export async function supports(
  backend: TableBackend,
  kind: Kind,
  name: string,
): Promise<number | boolean> {
  const isTarget = kind === 'target';
  if (isTarget && builtin.has(name)) return true;
  if (isTarget && name === 'QUEUE') {
    // In nf_tables the verdict is written as this target.
    return backend.kind === 'legacy' || (await backend.supports(kind, 'NFQUEUE')) !== false;
  }
  const own = await backend.supports(kind, name);
  if (own !== false) return own;
  // The kernel can have it under another name: `icmpv6` is icmp6.
  const real = registry.named(backend.family, kind, name)?.extension.name ?? name;
  return real === name ? false : backend.supports(kind, real);
}
