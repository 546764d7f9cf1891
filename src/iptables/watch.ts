// Rule counters over time: the legacy tables have no events, so they are read again and again, and what
// moved is told. Knows how two readings are compared; iterates.
import type { Family } from '../constants.js';
import type { Session } from '../native/session.js';
import { readSnapshot } from './commit.js';
import { layouts } from './entry.js';
import { littleEndian } from './extensions/stores.js';
import { LinkedSignal } from './linked-signal.js';
import { Rule } from './rule.js';
import { contentKey, RulePool } from './rule-pool.js';
import type { Snapshot } from './snapshot.js';
import { homeOf } from './table.js';

export interface WatchOptions {
  /** Milliseconds between two readings (at least 10). Default 1000. */
  interval?: number;
  /** Which tables; default: those that the namespace has, looked up at every reading. `undefined` is refused. */
  tables?: readonly string[];
  /** Ends the iteration. */
  signal?: AbortSignal;
}

/** What one rule, or the policy of a built-in chain, has counted between two readings. */
export interface RuleHits {
  table: string;
  chain: string;
  /** Where the rule stands in its chain, from 0; `undefined` for the policy. */
  index: number | undefined;
  /** `undefined` for the policy. */
  rule: Rule | undefined;
  /** Since the reading before. */
  packets: bigint;
  bytes: bigint;
  /** What its counters stand at. */
  total: { packets: bigint; bytes: bigint };
  /**
   * There is nothing to compare with: the rule is new, or its counters were set back. `packets` and
   * `bytes` then are all that it shows.
   */
  reset: boolean;
  /** When the reading was made. */
  time: Date;
}

interface Counted {
  packets: bigint;
  bytes: bigint;
}

function countersAt(snapshot: Snapshot, rule: number, at: number): Counted {
  const { buffer } = snapshot.bytes;
  const view = new DataView(buffer, snapshot.offset(rule) + at, 16);
  return { packets: view.getBigUint64(0, littleEndian), bytes: view.getBigUint64(8, littleEndian) };
}

/** Compares 16 bytes without making a number of them. */
function sameBytes(a: Uint8Array, atA: number, b: Uint8Array, atB: number): boolean {
  for (let i = 0; i < 16; i++) if (a[atA + i] !== b[atB + i]) return false;
  return true;
}

function difference(now: Counted, then: Counted | undefined): Counted & { reset: boolean } {
  if (then === undefined || now.packets < then.packets || now.bytes < then.bytes) {
    return { ...now, reset: true };
  }
  return { packets: now.packets - then.packets, bytes: now.bytes - then.bytes, reset: false };
}

/** For each rule now its index in the reading before, by its bytes; first in the same chain. */
function matchRules(before: Snapshot, now: Snapshot): (index: number) => number | undefined {
  if (before.fingerprint === now.fingerprint) return (index) => index;
  const old = new RulePool(before);
  const pairs = new Map<number, number>();
  const left: { index: number; key: string }[] = [];
  for (const chain of now.chains) {
    for (let index = chain.first; index < chain.first + chain.count; index++) {
      const key = contentKey(now.entry(index), now.family);
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

/** What moved between two readings of a table; without an earlier one everything that was counted. */
export function* compare(
  before: Snapshot | undefined,
  now: Snapshot,
  time: Date,
): Generator<RuleHits> {
  const at = layouts[now.family].counters;
  const old = before === undefined ? () => undefined : matchRules(before, now);
  const home = homeOf(now);
  const chains = new Map(before?.chains.map((chain) => [chain.name, chain]));
  const moved = (hits: Counted) => hits.packets !== 0n || hits.bytes !== 0n;
  for (const chain of now.chains) {
    const place = { table: now.name, chain: chain.name, time };
    for (let i = chain.first; i < chain.first + chain.count; i++) {
      const was = old(i);
      const here = now.offset(i) + at;
      if (before !== undefined && was !== undefined) {
        if (sameBytes(now.bytes, here, before.bytes, before.offset(was) + at)) continue;
      }
      const total = countersAt(now, i, at);
      const then = was === undefined ? undefined : countersAt(before!, was, at);
      const hits = difference(total, then);
      if (moved(hits))
        yield { ...place, index: i - chain.first, rule: new Rule(home, i), ...hits, total };
    }
    if (chain.hook === 0) continue;
    const hits = difference(chain.counters, chains.get(chain.name)?.counters);
    if (!moved(hits)) continue;
    yield { ...place, index: undefined, rule: undefined, ...hits, total: chain.counters };
  }
}

/** Waits, or until the signal aborts. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // Aborted by the one who was told of the last hit: no event will come.
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** Every table, read in turn, until one of the signals aborts. */
export async function* watchRules(
  session: Session,
  family: Family,
  tables: () => Promise<readonly string[]>,
  interval: number,
  signals: (AbortSignal | undefined)[],
): AsyncGenerator<RuleHits, void, undefined> {
  using ending = new LinkedSignal(...signals);
  const { signal } = ending;
  const last = new Map<string, Snapshot>();
  for (let first = true; !signal.aborted; first = false) {
    try {
      for (const table of await tables()) {
        const now = await readSnapshot(session, family, table, signal);
        const before = last.get(table);
        last.set(table, now);
        // What was counted before the first reading is no news; a table that comes later began at zero.
        if (before !== undefined || !first) yield* compare(before, now, new Date());
      }
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    await pause(interval, signal);
  }
}
