// Chains that an edit renamed, when the edit is taken back: which of them get their old names again, and readings as if
// the chains had never been renamed. Pure.
import type { ReadChain, TableReading } from '../table/reading.js';

/** By the name of a chain after an edit: its name before. */
export type OldNames = ReadonlyMap<string, string>;

/** What is compared of a reading. */
export interface Compared {
  readonly chains: readonly ReadChain[];
  content(index: number): string;
  leadsTo(index: number): string | undefined;
}

const has = ({ chains }: TableReading, name: string) => chains.some((chain) => chain.name === name);

/**
 * The chains that can get their old names again: those that are still there, if nothing else has the old name. The others
 * are treated as new chains that replaced the old ones. `merged`: others have changed the table since the edit.
 */
export function renamedBack(
  renamed: OldNames,
  after: TableReading,
  now: TableReading,
  merged: boolean,
): OldNames {
  const names = new Map([...renamed].filter(([name]) => has(now, name) && has(after, name)));
  const isTaken = (old: string) => !names.has(old) && (has(after, old) || has(now, old));
  // If nobody else was there, the edit itself made the chain that has the old name now. That chain will go.
  for (const old of merged ? [] : [...names.values()].filter(isTaken)) names.set(old, `\n${old}`);
  for (;;) {
    const blocked = [...names].find(([, old]) => isTaken(old));
    if (blocked === undefined) return names;
    names.delete(blocked[0]);
  }
}

/** A reading with the old names, also in the rules that lead to these chains. */
export function underOldNames(
  reading: TableReading,
  names: OldNames,
  before: TableReading,
): Compared {
  if (names.size === 0) return reading;
  const known = new Map<string, number>();
  for (let index = 0; index < before.ruleCount; index++) {
    const identity = before.identity(index);
    if (identity !== undefined) known.set(identity, index);
  }
  const oldName = (name: string) => names.get(name) ?? name;
  return {
    chains: reading.chains.map((chain) => ({ ...chain, name: oldName(chain.name) })),
    content(index) {
      // It may lead to a renamed chain in a way that nothing but the kernel knows.
      const same = known.get(reading.identity(index) ?? '');
      if (same !== undefined) return before.content(same);
      const to = reading.leadsTo(index);
      return reading.content(index, to === undefined ? undefined : names.get(to));
    },
    leadsTo(index) {
      const to = reading.leadsTo(index);
      return to === undefined ? undefined : oldName(to);
    },
  };
}
