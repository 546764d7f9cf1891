// Counters of the table from /proc/net/stat/nf_conntrack and from netlink.
import {
  type ConntrackCounters,
  statsFromNetlink,
  statsFromProc,
} from '../../src/conntrack/host/statistics.js';
import { assert, suite } from '../support/harness.js';

const test = suite('statistics');

/** Columns of the kernel (nf_conntrack_standalone.c: ct_cpu_seq_show), and the counter of each. */
const columns: [column: string, counter: keyof ConntrackCounters | undefined][] = [
  ['entries', undefined],
  ['clashres', 'clashResolve'],
  ['found', 'found'],
  ['new', undefined],
  ['invalid', 'invalid'],
  ['ignore', undefined],
  ['delete', undefined],
  ['chainlength', 'chainToolong'],
  ['insert', 'insert'],
  ['insert_failed', 'insertFailed'],
  ['drop', 'drop'],
  ['early_drop', 'earlyDrop'],
  ['icmp_error', 'error'],
  ['expect_new', undefined],
  ['expect_create', undefined],
  ['expect_delete', undefined],
  ['search_restart', 'searchRestart'],
];
/** Numbers of CTA_STATS_* (nfnetlink_conntrack.h). */
const attributes: [keyof ConntrackCounters, number][] = [
  ['found', 2],
  ['invalid', 4],
  ['insert', 8],
  ['insertFailed', 9],
  ['drop', 10],
  ['earlyDrop', 11],
  ['error', 12],
  ['searchRestart', 13],
  ['clashResolve', 14],
  ['chainToolong', 15],
];

const head = columns.map(([column]) => column).join(' ');
const hex = (value: number) => value.toString(16).padStart(8, '0');

test('/proc: every column is hexadecimal, and is found by its name', () => {
  const first = columns.map((_, i) => 0x1a + 0x10 * i);
  const second = columns.map((_, i) => 0xfffffff0 - i);
  const line = (values: number[]) => values.map(hex).join(' ');
  const { cpus, total } = statsFromProc(`${head}\n${line(first)}\n${line(second)}\n`);
  assert.equal(
    cpus.map(({ cpu }) => cpu),
    [0, 1],
  );
  let seen = 0;
  for (const [i, [, counter]] of columns.entries()) {
    if (counter === undefined) continue;
    assert.is(cpus[0]![counter], first[i], counter);
    assert.is(cpus[1]![counter], second[i], counter);
    assert.is(total[counter], first[i]! + second[i]!, counter);
    seen++;
  }
  assert.is(seen, Object.keys(total).length);
});

test('/proc of an older kernel: missing columns give 0, and moved columns are found', () => {
  const { total } = statsFromProc(
    'entries searched found insert\n0000000a 00000001 00000011 00000010\n',
  );
  assert.is(total.found, 17);
  assert.is(total.insert, 16);
  assert.is(total.clashResolve, 0);
  assert.is(total.chainToolong, 0);
});

test('netlink: every counter by the number of its attribute', () => {
  const counters = Array.from({ length: 16 }, (_, i) => 100 + i);
  const { cpus, total } = statsFromNetlink([
    { cpu: 0, counters },
    { cpu: 3, counters: counters.map((value) => value * 10) },
  ]);
  assert.is(cpus[1]!.cpu, 3);
  for (const [counter, attribute] of attributes) {
    assert.is(cpus[0]![counter], 100 + attribute, counter);
    assert.is(total[counter], 11 * (100 + attribute), counter);
  }
  assert.equal(Object.keys(total).sort(), attributes.map(([counter]) => counter).sort());
});

test.run();
