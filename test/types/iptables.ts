// The types of rules, tables and edits. This file is compiled and never run, like flows.ts.
import {
  type BackendReport,
  type ChainEdit,
  type CommitProcess,
  type Counters,
  type Difference,
  type DryRun,
  type EditOptions,
  type EnsurePlace,
  type Family,
  formatSave,
  Iptables,
  iptables,
  type Match,
  type MatchOf,
  type PendingEdit,
  parseRule,
  parseSave,
  type Rule,
  type RuleInit,
  type RuleInput,
  sameRule,
  type Table,
  type TableAddress,
  type TableChange,
  TableError,
  type TablePreview,
  type TablesDryRun,
  type TablesEdited,
  type Target,
  type TargetOf,
} from 'conntrack';
import type { Equal, Is } from './equal.js';

declare const signal: AbortSignal | undefined;

/** One match or target by its name. */
const port: MatchOf<'tcp'> = { name: 'tcp', dport: 80 };
const both: MatchOf<'tcp' | 'udp'> = { name: 'udp', dport: { not: 53 } };
const nat: TargetOf<'DNAT'> = { name: 'DNAT', toDestination: { address: '10.0.0.1', port: 80 } };
const jump: TargetOf<'jump'> = { name: 'jump', chain: 'mine' };
const drop: TargetOf<'DROP'> = { name: 'DROP' };
void [port, both, nat, jump, drop];
export const names: [
  Is<Equal<TargetOf<'DROP'>['name'], 'DROP'>>,
  Is<Equal<MatchOf<'raw'>['data'], Uint8Array>>,
  Is<Equal<MatchOf<'limit'>['name'], 'limit'>>,
  Is<Equal<[MatchOf<Match['name']>], [Match]>>,
] = [true, true, true, true];
// @ts-expect-error: no such match
export type NoMatch = MatchOf<'tpc'>;
// @ts-expect-error: tcp is a match
export type NoTarget = TargetOf<'tcp'>;
// @ts-expect-error: a different verdict
export const notDrop: TargetOf<'DROP'> = { name: 'ACCEPT' };

// A program's own tests make such errors.
export const noChain: TableError = new TableError('ERR_NETFILTER_NO_CHAIN', 'no chain mine');
// @ts-expect-error: the code says what the table does not allow
export const withoutCode: TableError = new TableError();

/** The unions narrow by name. */
export function describe(match: Match, target: Target): unknown {
  if (match.name === 'conntrack') return match.ctstate;
  if (match.name === 'raw') return match.revision;
  if (target.name === 'goto') return target.chain;
  // @ts-expect-error: only some of them have this
  return match.ctstate;
}

/** A rule that was read is read-only, and can be written. */
declare const rule: Rule;
const copy: RuleInit = { ...rule, target: drop };
const given: RuleInit = rule;
void [copy, given, rule.with({ src: '10.0.0.0/8' })];
// @ts-expect-error: results are read-only
rule.counters.packets = 0n;
// @ts-expect-error: undefined would let it match everything
export const wider: RuleInit = { src: undefined };
// @ts-expect-error: undefined would let it only count
rule.with({ target: undefined });
const zero: Counters = { packets: 0n, bytes: 0n };
void zero;

/** Rules are compared in every form. */
const input: RuleInput = '-j DROP';
const isSame: boolean = sameRule(rule, copy) && sameRule('-j DROP', rule) && sameRule(input, '');
void isSame;
// @ts-expect-error: not a rule
sameRule(rule, 7);

/** An edit gives the result of its function, directly or in an edit that must be confirmed. */
const at: Promise<number> = iptables.edit('filter', (table) => {
  const input: ChainEdit = table.chain('INPUT');
  const rules: readonly RuleInit[] = [copy];
  input.appendAll(rules).replace(0, '-j DROP', { keepCounters: undefined });
  const isNew: boolean = input.ensure('-j DROP', { before: rule });
  const places: EnsurePlace[] = ['first', 'last', 3, { after: '-j LOG' }];
  const added: number = input.ensure(['-j DROP', rule, copy], places[0]);
  const none: number = input.ensure(rules, undefined);
  // @ts-expect-error: one of them
  input.ensure('', { before: '', over: '' });
  // @ts-expect-error: no such place
  input.ensure('', 'end');
  return isNew ? input.length : added + none;
});
const pending: Promise<PendingEdit<void>> = iptables.edit('nat', (table) => table.zero(), {
  revertAfter: 5000,
  signal,
});
const waiting: EditOptions = { lockTimeout: undefined, signal, revertAfter: undefined };
void [at, pending, waiting];
/** An edit of several tables has one table for each, and says what came of it. */
const several: Promise<TablesEdited<number>> = iptables.edit(
  ['nat', { family: 'ipv6', table: 'filter' }],
  (nat, filter) => nat.chains.length + filter.chains.length,
);
// @ts-expect-error: there are two tables
void iptables.edit(['nat', 'filter'], (_nat, _filter, third) => third.chains);
declare const addresses: readonly TableAddress[];
const whole: Promise<PendingEdit<TablesEdited<string[]>>> = iptables.edit(
  addresses,
  (...tables) => tables.map((table) => table.name),
  { revertAfter: 5000 },
);
/** A dry run says what an edit would do. */
const dry: Promise<DryRun<boolean>> = iptables.edit('filter', (t) => t.has('MINE'), {
  dryRun: true,
  signal,
});
dry.then(({ value, before, after, diff, differences }) => {
  const seen: [boolean, Table, Table, string, readonly Difference[]] = [
    ...[value, before, after, diff, differences],
  ] as const;
  return seen;
});
const dryOfAll: Promise<TablesDryRun<number>> = iptables.edit(['nat'], () => 1, { dryRun: true });
dryOfAll.then(({ tables: [first] }: { tables: readonly TablePreview[] }) => first?.diff);
const notDry: Promise<number> = iptables.edit('filter', () => 1, { dryRun: false });
declare const isDry: boolean;
const perhaps: Promise<number | DryRun<number>> = iptables.edit('filter', () => 1, {
  dryRun: isDry,
});
void [notDry, perhaps];
// @ts-expect-error: nothing could be put back
void iptables.edit('filter', () => 1, { dryRun: true, revertAfter: 5000 });
// @ts-expect-error: undefined would change the table
void iptables.edit('filter', () => 1, { dryRun: undefined });
several.then(({ atomic, committed: [first] }) => (atomic ? first?.family : first?.table));
void whole;
pending.then(async ({ fate }) => {
  const end = await fate;
  if (end.kind === 'reverted') return end.merged;
  // @ts-expect-error: nothing was reverted
  return end.merged;
});

/** Texts and bytes. */
const text: Promise<string> = iptables.save({ counters: undefined, signal });
const data: Promise<Uint8Array> = iptables.save({ as: 'bytes' });
declare const as: 'text' | 'bytes' | undefined;
const either: Promise<string | Uint8Array> = iptables.save({ as });
const tables: readonly Table[] = parseSave('', { family: undefined });
const family: Family = iptables.family;
void [text, data, either, formatSave(tables), family, parseRule('', { family, sets: undefined })];
// @ts-expect-error: undefined would mean all tables
void iptables.save({ tables: undefined });
// @ts-expect-error: undefined would change the tables
void iptables.restore('', { test: undefined });
// @ts-expect-error: undefined would mean the namespace of this process
Iptables.open({ netns: undefined });
Iptables.open({ family: undefined, backend: undefined });

/** The answer is never only true or false. */
const answer: Promise<boolean | number> = iptables.supports('match', 'tcp');
void answer;
// @ts-expect-error: no such kind
void iptables.supports('chain', 'tcp');

/** Changes: the type tells what a difference has. */
const changes = iptables.changes({ interval: undefined, receiveBuffer: undefined, signal });
const iterable: AsyncIterable<TableChange> = changes;
const ready: Promise<void> = changes.ready;
void [iterable, ready];
declare const change: TableChange;
for (const each of change.differences) {
  if (each.type === 'ruleAdded' || each.type === 'ruleDeleted') {
    const place: [string, number, Rule] = [each.chain, each.index, each.rule];
    void place;
  } else if (each.type === 'chainRenamed') void each.was;
  // @ts-expect-error: not every difference has a rule
  void each.rule;
}
export const who: Is<Equal<TableChange['process'], CommitProcess | undefined>> = true;
export const kinds: Is<Equal<Difference['type'] & 'policyChanged', 'policyChanged'>> = true;
// @ts-expect-error: results are read-only
change.differences.push({ type: 'tableAdded' });
// @ts-expect-error: undefined would mean all tables
iptables.changes({ tables: undefined });

declare const report: BackendReport;
// @ts-expect-error: results are read-only
report.reasons.push('');
// @ts-expect-error: results are read-only
report.nft.tables[0].rules = 0;
