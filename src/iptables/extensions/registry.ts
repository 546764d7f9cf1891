// Which extensions there are: look-up by what the kernel says (family, kind, name, revision) and by
// what text says (name, alias). Filled once from the lists of index.ts.
import type { Family } from '../ip-text.js';
import type { Alias, Extension, Kind } from './define.js';

/** The highest revision of an extension that the kernel takes; `undefined`: no limit known. */
export type MaxRevision = (kind: Kind, name: string) => number | undefined;

export interface Named {
  readonly extension: Extension;
  /** Set where the name is an alias: its options count, and its preset goes into the typed form. */
  readonly alias: Alias<Record<string, unknown>> | undefined;
}

export class Registry {
  /** Newest first. */
  readonly #byName = new Map<string, Extension[]>();
  readonly #aliases = new Map<string, string>();

  constructor(extensions: readonly Extension[]) {
    for (const extension of extensions) {
      for (const family of extension.families) {
        const key = `${family} ${extension.kind} ${extension.name}`;
        const revisions = this.#byName.get(key) ?? [];
        if (revisions.some((each) => each.revision === extension.revision)) {
          throw new Error(`${key} revision ${extension.revision} is registered twice`);
        }
        revisions.push(extension);
        revisions.sort((a, b) => b.revision - a.revision);
        this.#byName.set(key, revisions);
        for (const name of extension.moduleNames ?? []) {
          this.#aliases.set(`${family} ${extension.kind} ${name}`, extension.name);
        }
        if (extension.alias !== undefined) {
          this.#aliases.set(`${family} ${extension.kind} ${extension.alias.name}`, extension.name);
        }
      }
    }
  }

  /** Newest first; empty for a name that is not known. */
  revisions(family: Family, kind: Kind, name: string): readonly Extension[] {
    return this.#byName.get(`${family} ${kind} ${name}`) ?? [];
  }

  find(family: Family, kind: Kind, name: string, revision: number): Extension | undefined {
    return this.revisions(family, kind, name).find((each) => each.revision === revision);
  }

  newest(family: Family, kind: Kind, name: string, max?: MaxRevision): Extension | undefined {
    const limit = max?.(kind, name) ?? 255;
    return this.revisions(family, kind, name).find((each) => each.revision <= limit);
  }

  /** What `-m name` or `-j NAME` means. */
  named(family: Family, kind: Kind, name: string, max?: MaxRevision): Named | undefined {
    const real = this.#aliases.get(`${family} ${kind} ${name}`) ?? name;
    const extension = this.newest(family, kind, real, max);
    if (extension === undefined) return undefined;
    return { extension, alias: extension.alias?.name === name ? extension.alias : undefined };
  }

  /** Is the name taken by an extension, so that no chain may have it? */
  has(family: Family, kind: Kind, name: string): boolean {
    return this.named(family, kind, name) !== undefined;
  }
}
