// The known extensions: finds them by family, kind, name and revision, as the kernel has them, and by name or alias,
// as text has them. Filled once from the lists of index.ts.
import type { Family } from '../text/addresses.js';
import { maxSize } from './codec.js';
import type { Alias, Extension, Kind } from './define.js';

/** The highest revision of an extension that the kernel takes; `undefined`: no limit known. */
export type MaxRevision = (kind: Kind, name: string) => number | undefined;

export interface Named {
  readonly extension: Extension;
  /** Set if the name is an alias. Then its options count, and its preset goes into the typed form. */
  readonly alias: Alias<Record<string, unknown>> | undefined;
}

type ByName<T> = Record<Family, Record<Kind, Map<string, T>>>;

function byName<T>(): ByName<T> {
  return {
    ipv4: { match: new Map(), target: new Map() },
    ipv6: { match: new Map(), target: new Map() },
  };
}

export class Registry {
  /** Newest first. */
  readonly #revisions = byName<Extension[]>();
  /** Other names, with the real name of each. */
  readonly #others = byName<string>();

  constructor(extensions: readonly Extension[]) {
    for (const extension of extensions) {
      const { kind, name, revision, size, userSize, moduleNames = [], alias } = extension;
      if (size % 8 !== 0 || size > maxSize || userSize > size) {
        throw new Error(`${kind} ${name} revision ${revision}: sizes ${size} and ${userSize}`);
      }
      for (const family of extension.families) {
        const revisions = this.#revisions[family][kind].get(name) ?? [];
        if (revisions.some((each) => each.revision === revision)) {
          throw new Error(`${family} ${kind} ${name} revision ${revision} is registered twice`);
        }
        revisions.push(extension);
        revisions.sort((a, b) => b.revision - a.revision);
        this.#revisions[family][kind].set(name, revisions);
        const others = this.#others[family][kind];
        for (const other of moduleNames) others.set(other, name);
        if (alias !== undefined) others.set(alias.name, name);
      }
    }
  }

  /** Newest first; empty for a name that is not known. */
  revisions(family: Family, kind: Kind, name: string): readonly Extension[] {
    return this.#revisions[family][kind].get(name) ?? none;
  }

  find(family: Family, kind: Kind, name: string, revision: number): Extension | undefined {
    return this.revisions(family, kind, name).find((each) => each.revision === revision);
  }

  newest(family: Family, kind: Kind, name: string, max?: MaxRevision): Extension | undefined {
    const limit = max?.(kind, name);
    const revisions = this.revisions(family, kind, name);
    if (limit === undefined) return revisions[0];
    return revisions.find((each) => each.revision <= limit);
  }

  /** What `-m name` or `-j NAME` means. */
  named(family: Family, kind: Kind, name: string, max?: MaxRevision): Named | undefined {
    const real = this.#others[family][kind].get(name) ?? name;
    const extension = this.newest(family, kind, real, max);
    if (extension === undefined) return undefined;
    return { extension, alias: extension.alias?.name === name ? extension.alias : undefined };
  }

  /** Whether an extension has the name. Then no chain may have it. */
  has(family: Family, kind: Kind, name: string): boolean {
    return this.#revisions[family][kind].has(name) || this.#others[family][kind].has(name);
  }
}

const none: readonly Extension[] = [];
