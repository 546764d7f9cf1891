// The table that an edit wants, written for native code (native/core/xtables/plan.h). Writes bytes;
// decides nothing.
import { AF_INET, AF_INET6 } from '../constants.js';
import { littleEndian, textToBytes } from './extensions/stores.js';
import type { Snapshot } from './snapshot.js';

const magic = 0x31505458;
const headerSize = 64;
const chainSize = 72;
const runSize = 16;
const none = 0xffffffff;
const kinds = { keep: 0, keepZeroed: 1, entry: 2 };

/** A rule that is not one of the snapshot's as it is. */
export interface PlannedEntry {
  /** Portable bytes with counters. */
  readonly entry: Uint8Array;
  /** The snapshot's rule whose counters, as they are at the commit, it takes over. */
  readonly countersOf?: number | undefined;
}
/** One rule of the snapshot (by its index), the same with its counters set to zero, or a new one. */
export type PlannedRule = number | { readonly zeroed: number } | PlannedEntry;

export interface PlannedChain {
  name: string;
  /** Hook number + 1 of a built-in chain, else 0. */
  hook: number;
  policy: 'ACCEPT' | 'DROP' | undefined;
  /** The policy's new counters; without them it keeps what it has. */
  counters?: { packets: bigint; bytes: bigint } | undefined;
  /** Rules one by one, or a run of the snapshot's rules. */
  rules: readonly PlannedRule[] | { first: number; count: number };
}

interface Run {
  kind: number;
  a: number;
  b: number;
  c: number;
}

/** Rules in their order, neighbours of the snapshot together. */
function runsOf(rules: PlannedChain['rules'], add: (entry: Uint8Array) => number): Run[] {
  if ('first' in rules) return [{ kind: kinds.keep, a: rules.first, b: rules.count, c: 0 }];
  const runs: Run[] = [];
  let last: Run | undefined;
  for (const rule of rules) {
    if (typeof rule === 'object' && 'entry' in rule) {
      const { entry, countersOf = none } = rule;
      last = undefined;
      runs.push({ kind: kinds.entry, a: add(entry), b: entry.length, c: countersOf });
      continue;
    }
    const [kind, index] =
      typeof rule === 'number' ? [kinds.keep, rule] : [kinds.keepZeroed, rule.zeroed];
    if (last?.kind === kind && last.a + last.b === index) {
      last.b++;
    } else {
      last = { kind, a: index, b: 1, c: 0 };
      runs.push(last);
    }
  }
  return runs;
}

/** The plan's bytes. */
export function writePlan(base: Snapshot, chains: readonly PlannedChain[]): Uint8Array {
  const entries: Uint8Array[] = [];
  let entriesSize = 0;
  const add = (entry: Uint8Array) => {
    const at = entriesSize;
    entries.push(entry);
    entriesSize += (entry.length + 7) & ~7;
    return at;
  };
  const runs = chains.map((chain) => runsOf(chain.rules, add));
  const runCount = runs.reduce((sum, each) => sum + each.length, 0);
  const entriesAt = headerSize + chains.length * chainSize + runCount * runSize;
  const bytes = new Uint8Array(entriesAt + entriesSize);
  const view = new DataView(bytes.buffer);
  const put = (at: number, value: number) => view.setUint32(at, value, littleEndian);
  put(0, magic);
  put(4, base.family === 'ipv6' ? AF_INET6 : AF_INET);
  put(8, chains.length);
  put(12, runCount);
  bytes.set(base.fingerprintBytes, 16);
  bytes.set(textToBytes(base.name), 32);
  let run = 0;
  chains.forEach((chain, index) => {
    const at = headerSize + index * chainSize;
    bytes.set(textToBytes(chain.name), at);
    put(at + 32, chain.hook);
    put(at + 36, chain.policy === undefined ? 0 : chain.policy === 'ACCEPT' ? 1 : 2);
    put(at + 40, chain.counters === undefined ? 0 : 1);
    put(at + 44, run);
    put(at + 48, runs[index]!.length);
    view.setBigUint64(at + 56, chain.counters?.packets ?? 0n, littleEndian);
    view.setBigUint64(at + 64, chain.counters?.bytes ?? 0n, littleEndian);
    for (const each of runs[index]!) {
      const to = headerSize + chains.length * chainSize + run++ * runSize;
      put(to, each.kind);
      put(to + 4, each.kind === kinds.entry ? entriesAt + each.a : each.a);
      put(to + 8, each.b);
      put(to + 12, each.c);
    }
  });
  let at = entriesAt;
  for (const entry of entries) {
    bytes.set(entry, at);
    at += (entry.length + 7) & ~7;
  }
  return bytes;
}
