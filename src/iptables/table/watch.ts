// Rule counters over time. Counters have no events, so this reads the tables again and again, compares the readings,
// and yields what moved.
import { LinkedSignal } from '../../linked-signal.js';
import type { Counters } from '../rule/head.js';
import { Rule } from '../rule/rule.js';
import { pause } from '../text/pauses.js';
import type { TableReading } from './reading.js';
import { RulePool } from './rule-pool.js';

/** What to watch, and how often. */
export interface WatchOptions {
  /** Milliseconds between two readings (at least 10). Default 1000. */
  interval?: number | undefined;
  /** Which tables; default: all that the namespace has, looked up at every reading. `undefined` is refused. */
  tables?: readonly string[];
  /** Ends the iteration. */
  signal?: AbortSignal | undefined;
}

/** What one rule, or the policy of a built-in chain, has counted between two readings. */
export interface RuleHits {
  /** The name of the table. */
  readonly table: string;
  /** The name of the chain. */
  readonly chain: string;
  /** The index of the rule in its chain, from 0; `undefined` for the policy. */
  readonly index: number | undefined;
  /** `undefined` for the policy. */
  readonly rule: Rule | undefined;
  /** Packets since the reading before. */
  readonly packets: bigint;
  /** Bytes since the reading before. */
  readonly bytes: bigint;
  /** The present values of its counters. */
  readonly total: Counters;
  /**
   * There is nothing to compare with: the rule is new, or its counters were reset. Then `packets` and `bytes` are the
   * whole counters.
   */
  readonly reset: boolean;
  /** When the reading was made. */
  readonly time: Date;
}

function difference(now: Counters, then: Counters | undefined): Counters & { reset: boolean } {
  if (then === undefined || now.packets < then.packets || now.bytes < then.bytes) {
    return { packets: now.packets, bytes: now.bytes, reset: true };
  }
  return { packets: now.packets - then.packets, bytes: now.bytes - then.bytes, reset: false };
}

/** For each rule, its index in the reading before. Compares bytes, and looks in the same chain first. */
function matchRules(
  before: TableReading,
  now: TableReading,
): (index: number) => number | undefined {
  if (before.fingerprint === now.fingerprint) return (index) => index;
  const old = new RulePool(before);
  const pairs = new Map<number, number>();
  const left: { index: number; key: string }[] = [];
  for (const chain of now.chains) {
    for (let index = chain.first; index < chain.first + chain.count; index++) {
      const key = now.content(index);
      const place = old.take(key, chain.name);
      if (place !== undefined) pairs.set(index, place);
      else left.push({ index, key });
    }
  }
  for (const { index, key } of left) {
    const place = old.take(key);
    if (place !== undefined) pairs.set(index, place);
  }
  return (index) => pairs.get(index);
}

/** What moved between two readings of a table. Without an earlier reading: all counters. */
export function* compare(
  before: TableReading | undefined,
  now: TableReading,
  time: Date,
): Generator<RuleHits> {
  const old = before === undefined ? () => undefined : matchRules(before, now);
  const { rules } = now;
  const chains = new Map(before?.chains.map((chain) => [chain.name, chain]));
  const moved = (hits: Counters) => hits.packets !== 0n || hits.bytes !== 0n;
  for (const chain of now.chains) {
    const place = { table: now.name, chain: chain.name, time };
    for (let i = chain.first; i < chain.first + chain.count; i++) {
      const was = old(i);
      if (before !== undefined && was !== undefined && now.sameCounters(i, before, was)) continue;
      const total = { ...rules.counters(i) };
      const hits = difference(total, was === undefined ? undefined : before!.rules.counters(was));
      if (moved(hits))
        yield { ...place, index: i - chain.first, rule: Rule.at(rules, i), ...hits, total };
    }
    if (!chain.builtin) continue;
    const total = { ...chain.counters };
    const hits = difference(total, chains.get(chain.name)?.counters);
    if (!moved(hits)) continue;
    yield { ...place, index: undefined, rule: undefined, ...hits, total };
  }
}

/** What `watch` needs to read tables. */
export interface TableReader {
  tables(): Promise<string[]>;
  read(table: string, signal: AbortSignal): Promise<TableReading>;
}

/** Every table, read in turn, until one of the signals aborts. */
export async function* watchRules(
  reader: () => Promise<TableReader>,
  tables: readonly string[] | undefined,
  interval: number,
  signals: (AbortSignal | undefined)[],
): AsyncGenerator<RuleHits, void, undefined> {
  using ending = new LinkedSignal(...signals);
  const { signal } = ending;
  const last = new Map<string, TableReading>();
  for (let first = true; !signal.aborted; first = false) {
    try {
      const backend = await reader();
      for (const table of tables ?? (await backend.tables())) {
        const now = await backend.read(table, signal);
        const before = last.get(table);
        last.set(table, now);
        // Counters from before the first reading are not reported. A table that comes later began at zero.
        if (before !== undefined || !first) yield* compare(before, now, new Date());
      }
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    await pause(interval, signal);
  }
}
