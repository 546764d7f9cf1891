// Writes the table that an edit wants for native code (native/core/legacy/plan.h). Writes bytes; decides nothing.

import { AF_INET, AF_INET6 } from '../../constants.js';
import { littleEndian } from '../extensions/stores.js';
import { textToBytes } from '../text/encoding.js';
import type { Snapshot } from './snapshot.js';

const magic = 0x31505458;
const headerSize = 64;
const chainSize = 72;
const runSize = 16;
const none = 0xffffffff;
const kinds = { keep: 0, keepZeroed: 1, entry: 2 };

/** A rule that is new or changed. */
export interface PlannedEntry {
  /** Portable bytes with counters. */
  readonly entry: Uint8Array;
  /** The rule of the snapshot whose counters it takes over, with their values at the commit. */
  readonly countersOf?: number | undefined;
}
/** One rule of the snapshot (by its index), the same with counters of zero, or a new one. */
export type PlannedRule = number | { readonly zeroed: number } | PlannedEntry;

export interface PlannedChain {
  name: string;
  /** Hook number + 1 of a built-in chain, else 0. */
  hook: number;
  policy: 'ACCEPT' | 'DROP' | undefined;
  /** The policy's new counters; without them it keeps its counters. */
  counters?: { packets: bigint; bytes: bigint } | undefined;
  /** Single rules, or a run of the snapshot's rules. */
  rules: readonly PlannedRule[] | { first: number; count: number };
}

/** How many rules from `at` on follow each other in the snapshot too. `index` gives their place there. */
function neighbours(
  rules: readonly PlannedRule[],
  at: number,
  index: (rule: PlannedRule) => number | undefined,
): number {
  const first = index(rules[at]!)!;
  let end = at + 1;
  while (end < rules.length && index(rules[end]!) === first + (end - at)) end++;
  return end - at;
}

const kept = (rule: PlannedRule) => (typeof rule === 'number' ? rule : undefined);
const zeroed = (rule: PlannedRule) =>
  typeof rule === 'object' && 'zeroed' in rule ? rule.zeroed : undefined;

/** Four numbers for each run of rules, in order. Rules that follow each other in the snapshot are one run. */
function runsOf(rules: PlannedChain['rules'], add: (entry: Uint8Array) => number): number[] {
  if ('first' in rules) return [kinds.keep, rules.first, rules.count, 0];
  const runs: number[] = [];
  for (let at = 0; at < rules.length; ) {
    const rule = rules[at]!;
    let count = 1;
    if (typeof rule === 'number') {
      count = neighbours(rules, at, kept);
      runs.push(kinds.keep, rule, count, 0);
    } else if ('entry' in rule) {
      runs.push(kinds.entry, add(rule.entry), rule.entry.length, rule.countersOf ?? none);
    } else {
      count = neighbours(rules, at, zeroed);
      runs.push(kinds.keepZeroed, rule.zeroed, count, 0);
    }
    at += count;
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
  const runCount = runs.reduce((sum, each) => sum + each.length / 4, 0);
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
    const own = runs[index]!;
    bytes.set(textToBytes(chain.name), at);
    put(at + 32, chain.hook);
    put(at + 36, chain.policy === undefined ? 0 : chain.policy === 'ACCEPT' ? 1 : 2);
    put(at + 40, chain.counters === undefined ? 0 : 1);
    put(at + 44, run);
    put(at + 48, own.length / 4);
    view.setBigUint64(at + 56, chain.counters?.packets ?? 0n, littleEndian);
    view.setBigUint64(at + 64, chain.counters?.bytes ?? 0n, littleEndian);
    for (let i = 0; i < own.length; i += 4) {
      const to = headerSize + chains.length * chainSize + run++ * runSize;
      put(to, own[i]!);
      put(to + 4, own[i] === kinds.entry ? entriesAt + own[i + 1]! : own[i + 1]!);
      put(to + 8, own[i + 2]!);
      put(to + 12, own[i + 3]!);
    }
  });
  let at = entriesAt;
  for (const entry of entries) {
    bytes.set(entry, at);
    at += (entry.length + 7) & ~7;
  }
  return bytes;
}
