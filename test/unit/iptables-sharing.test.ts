// Rules on snapshots that are made by hand: raw parts are never shared, and decoding happens late.
import { inspect } from 'node:util';
import { Snapshot } from '../../src/iptables/legacy/snapshot.js';
import type { Match, RuleInit, Target } from '../../src/iptables/rule/rule.js';
import { Table } from '../../src/iptables/table/table.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite } from '../support/harness.js';

const test = suite('rules that share');

const headerSize = 112;
const chainSize = 72;

/** A table with one chain, in the layout of native/core/legacy/snapshot.h. */
function snapshotOf(
  rules: readonly { init: RuleInit; matches: number; target: number }[],
): Snapshot {
  const entries = rules.map(({ init }) => encodeRule(init));
  const start = (headerSize + 4 * rules.length + 7) & ~7;
  const chains = start + entries.reduce((sum, entry) => sum + entry.length, 0);
  const parts = chains + chainSize;
  const bytes = new Uint8Array(parts + 8 * rules.length);
  const words = new Uint32Array(bytes.buffer);
  const put = (at: number, value: number) => {
    words[at / 4] = value;
  };
  put(0, 0x31535458);
  put(8, 1);
  put(12, rules.length);
  put(16, chains);
  put(20, headerSize);
  put(28, 1);
  put(96, parts);
  put(100, 1 + Math.max(...rules.map((rule) => rule.matches)));
  put(104, 1 + Math.max(...rules.map((rule) => rule.target)));
  let at = start;
  entries.forEach((entry, index) => {
    bytes.set(entry, at);
    put(headerSize + 4 * index, at);
    put(parts + 8 * index, rules[index]!.matches);
    put(parts + 8 * index + 4, rules[index]!.target);
    at += entry.length;
  });
  bytes.set(Buffer.from('INPUT'), chains);
  put(chains + 32, 2);
  put(chains + 36, 1);
  put(chains + 44, rules.length);
  return new Snapshot(bytes.buffer);
}

const unknown = (): RuleInit => ({
  matches: [
    { name: 'mark', mark: 3 },
    { name: 'raw', extension: 'nobody', revision: 7, data: new Uint8Array(8) },
  ],
  target: { name: 'raw', extension: 'NOBODY', revision: 1, data: new Uint8Array(16) },
});

const bytesOf = (each: Match | Target | undefined): Uint8Array => {
  assert.ok(each?.name === 'raw');
  return each.data;
};

test('raw extensions can be changed, so each rule has its own', () => {
  const both = { init: unknown(), matches: 0, target: 0 };
  const [first, second] = new Table(snapshotOf([both, both])).chain('INPUT').rules;
  assert.is(first!.matches, first!.matches);
  assert.is(first!.target, first!.target);
  assert.is(first!.matches === second!.matches, false);
  assert.is(first!.target === second!.target, false);
  bytesOf(first!.matches[1])[0] = 1;
  bytesOf(first!.target)[0] = 1;
  assert.is(bytesOf(second!.matches[1])[0], 0);
  assert.is(bytesOf(second!.target)[0], 0);
  assert.is(
    encodeRule(first!)[112 + 32 + 16 + 32],
    0,
    'the bytes of the rule are not what was written to',
  );
});

test('a known extension is decoded once for all rules with the same number', () => {
  const init: RuleInit = {
    matches: [{ name: 'mark', mark: 3 }],
    target: { name: 'MARK', setXmark: 5 },
  };
  const none: RuleInit = {};
  const rules = new Table(
    snapshotOf([
      { init, matches: 0, target: 0 },
      { init: none, matches: 1, target: 1 },
      { init: { ...init, src: '10.0.0.1' }, matches: 0, target: 0 },
      { init: none, matches: 1, target: 1 },
    ]),
  ).chain('INPUT').rules;
  assert.is(rules[0]!.matches, rules[2]!.matches);
  assert.is(rules[0]!.target, rules[2]!.target);
  assert.is(rules[2]!.src, '10.0.0.1');
  assert.is(rules[1]!.target, undefined);
  assert.is(rules[3]!.target, undefined);
  assert.equal(rules[3]!.matches, []);
});

test('a chain that is not used is not decoded', () => {
  const snapshot = snapshotOf([{ init: unknown(), matches: 0, target: 0 }]);
  const chain = new Table(snapshot).chain('INPUT');
  // Wrong sizes show only when the rules are read.
  snapshot.bytes.fill(0, snapshot.offset(0) + 112, snapshot.offset(0) + 114);
  assert.is(chain.length, 1);
  assert.throws(() => chain.rules, /does not fit/);
});

test('an inspected rule shows its fields', () => {
  const init: RuleInit = { src: '10.0.0.1', target: { name: 'DROP' } };
  const [rule] = new Table(snapshotOf([{ init, matches: 0, target: 0 }])).chain('INPUT').rules;
  assert.is(
    inspect(rule, { breakLength: Number.POSITIVE_INFINITY }),
    "Rule { src: '10.0.0.1', matches: [], target: { name: 'DROP' }, counters: { packets: 0n, bytes: 0n } }",
  );
});

test.run();
