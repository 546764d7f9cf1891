// Rules in the real kernel: loaded, saved and refused by iptables-legacy, and read as bytes.
// For tests under test/kernel only.
import { spawnSync } from 'node:child_process';
import { comparable } from '../../src/iptables/extensions/codec.js';
import { registry } from '../../src/iptables/extensions/index.js';
import { hex } from '../../src/iptables/rule/print.js';
import type { Family } from '../../src/iptables/rule/rule.js';
import { bytesToText, textToBytes } from '../../src/iptables/text/encoding.js';
import { layouts, splitEntry } from '../../src/iptables/xtables/entry.js';
import { tableOfKernel } from './xtables-table.js';

/** The parts of the table other than the rules. */
export interface TableParts {
  /** `filter` unless given. */
  table?: string;
  /** A base chain that jumps to the chain of the rules: for extensions bound to hooks. */
  hook?: string;
  /** Commands of iptables-restore before the rules (chains CHAIN and OTHER are always there). */
  lines?: readonly string[];
}

const chain = 'CHAIN';
const tool = (family: Family, what = '') =>
  `${family === 'ipv4' ? 'iptables' : 'ip6tables'}-legacy${what}`;

function run(
  command: string,
  args: string[],
  input = '',
): { status: number; out: string; err: string } {
  // Bytes, not UTF-8: strings of rules can hold any byte.
  const done = spawnSync(command, args, { input: textToBytes(input), maxBuffer: 1 << 28 });
  if (done.error) throw done.error;
  return {
    status: done.status ?? -1,
    out: bytesToText(done.stdout),
    err: bytesToText(done.stderr),
  };
}

function restoreText(options: TableParts, specs: readonly string[], counted: boolean): string {
  const lines = [`*${options.table ?? 'filter'}`, `:${chain} - [0:0]`, ':OTHER - [0:0]'];
  if (options.hook !== undefined) lines.push(`-A ${options.hook} -j ${chain}`);
  lines.push(...(options.lines ?? []));
  for (const [index, spec] of specs.entries()) {
    const counters = counted ? `[${index * 7919}:${index * 104729 + 1}] ` : '';
    lines.push(`${counters}-A ${chain} ${spec}`);
  }
  return [...lines, 'COMMIT', ''].join('\n');
}

/** Replaces the table with the specifications. Returns the tool's complaint, or undefined. */
export function load(
  family: Family,
  options: TableParts,
  specs: readonly string[],
): string | undefined {
  const text = restoreText(options, specs, true);
  const done = run(tool(family, '-restore'), ['--counters'], text);
  return done.status === 0 ? undefined : done.err.trim() || `status ${done.status}`;
}

/** The kernel's rules of the chain, as portable entries. */
export function kernelEntries(family: Family, table: string): Uint8Array[] {
  return tableOfKernel(family, table).get(chain) ?? [];
}

/** The rules of the chain as iptables-save prints them, from the first option on. */
export function savedRules(family: Family, table: string): string[] {
  const done = run(tool(family, '-save'), ['-t', table]);
  if (done.status !== 0) throw new Error(`saving the table ${table}: ${done.err}`);
  const lead = `-A ${chain}`;
  return done.out
    .split('\n')
    .filter((line) => line === lead || line.startsWith(`${lead} `))
    .map((line) => line.slice(lead.length + 1));
}

/** The complaint of iptables about one specification, or undefined. */
export function iptablesRefuses(
  family: Family,
  options: TableParts,
  spec: string,
): string | undefined {
  const done = run(tool(family, '-restore'), [], restoreText(options, [spec], false));
  return done.status === 0 ? undefined : done.err.trim() || `status ${done.status}`;
}

/** Where two entries differ in meaningful bytes. Undefined if they mean the same to the kernel. */
export function difference(
  family: Family,
  kernel: Uint8Array,
  ours: Uint8Array,
): string | undefined {
  const layout = layouts[family];
  const head = layout.invflags + 1;
  const counters = layout.counters;
  for (const [what, from, to] of [
    ['head', 0, head],
    ['counters', counters, counters + 16],
  ] as const) {
    const told = firstDifference(kernel.subarray(from, to), ours.subarray(from, to));
    if (told !== undefined) return `${what} ${told}`;
  }
  const a = splitEntry(kernel, family);
  const b = splitEntry(ours, family);
  const list = (split: typeof a) => [
    ...split.matches.map((each) => ['match', each] as const),
    ['target', split.target] as const,
  ];
  const [left, right] = [list(a), list(b)];
  if (left.length !== right.length) return `${left.length} extensions, ours ${right.length}`;
  for (const [index, [kind, theirs]] of left.entries()) {
    const mine = right[index]![1];
    const name = (each: typeof theirs) => `${each.name} revision ${each.revision}`;
    if (name(theirs) !== name(mine)) return `kernel has ${name(theirs)}, ours ${name(mine)}`;
    if (theirs.payload.length !== mine.payload.length) {
      return `${name(theirs)}: ${theirs.payload.length} bytes, ours ${mine.payload.length}`;
    }
    // Private bytes of the kernel, and old bytes behind the NUL of a string, do not count.
    const extension = registry.find(family, kind, theirs.name, theirs.revision);
    const counts = (payload: Uint8Array) =>
      extension === undefined ? payload : comparable(extension, payload);
    const told = firstDifference(counts(theirs.payload), counts(mine.payload));
    if (told !== undefined) return `${name(theirs)} ${told}`;
  }
  return undefined;
}

/** Where two byte strings differ. Undefined if they are equal. */
export function firstDifference(kernel: Uint8Array, ours: Uint8Array): string | undefined {
  const at = kernel.findIndex((byte, index) => byte !== ours[index]);
  if (at < 0) return undefined;
  const some = (bytes: Uint8Array) => hex(bytes.subarray(at, at + 16));
  return `at byte ${at}: kernel ${some(kernel)}, ours ${some(ours)}`;
}
