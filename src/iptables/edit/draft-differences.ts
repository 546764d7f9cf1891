// What an edit would change, as differences between two states of its table. What the edit leaves alone is the same object
// in both, so it is not looked at.
import type { Difference } from '../table/change.js';
import { differences } from '../table/differences.js';
import { type KnownChain, KnownRule, type TableState } from '../table/table-state.js';
import type { DraftReading } from './draft-reading.js';
import type { EditState } from './state.js';

export function draftDifferences(state: EditState, after: DraftReading): Difference[] {
  const { base } = state;
  const known = Array.from(
    { length: base.ruleCount },
    (_, index) => new KnownRule(base, index, 0n),
  );
  const before = new Map<string, KnownChain>();
  for (const { name, builtin, policy, first, count } of base.chains) {
    const rules = known.slice(first, first + count);
    before.set(name, { name, builtin, policy, handle: 0n, identity: {}, rules });
  }
  const chains = new Map<string, KnownChain>();
  for (const { name, builtin, policy, first, count } of after.chains) {
    const { was, items } = state.chains.get(name)!;
    const then = was === undefined ? undefined : before.get(was);
    const rule = (index: number) => {
      const item = after.item(index);
      if (typeof item === 'number') return known[item]!;
      if ('given' in item) return new KnownRule(after, index, 0n);
      const { base: at, chain } = item;
      return chain === undefined ? known[at]! : known[at]!.leadingTo(chain);
    };
    const rules =
      items === undefined && then !== undefined
        ? then.rules
        : Array.from({ length: count }, (_, index) => rule(first + index));
    chains.set(name, { name, builtin, policy, handle: 0n, identity: then?.identity ?? {}, rules });
  }
  const foreign: TableState['foreign'] = new Map(
    base.foreign.map((chain) => [chain.name, { chain, handle: 0n }]),
  );
  return differences(
    { registered: base.registered, chains: before, foreign },
    { registered: after.registered, chains, foreign },
  );
}
