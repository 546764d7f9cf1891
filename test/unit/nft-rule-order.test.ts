// The order of a chain's rules after the messages of a commit, also as other kernels send them.
import { RuleOrder } from '../../src/iptables/nft/rule-order.js';
import { KnownRule } from '../../src/iptables/table/table-state.js';
import { assert, suite } from '../support/harness.js';

const test = suite('order of rules in a commit of nf_tables');

const source = { content: () => '', leadsTo: () => undefined } as never;
const rule = (handle: number) => new KnownRule(source, 0, BigInt(handle));

/** Messages: `+5<4` a rule 5 after rule 4, `+5` one that is appended, `^5` one at the beginning, `-4`, `=4` replaced. */
function after(rules: number[], ...messages: string[]): number[] | undefined {
  const order = new RuleOrder(rules.map(rule));
  for (const message of messages) {
    const [, what, handle, before = 0] = /^([-+^=])(\d+)(?:<(\d+))?$/.exec(message)!;
    if (what === '-' || what === '=') {
      assert.ok(order.delete(BigInt(handle!), what === '='), message);
    } else order.add(rule(Number(handle)), { before: BigInt(before), appends: what === '+' });
  }
  return order.rules()?.map((each) => Number(each.handle));
}

test('appended, inserted, deleted', () => {
  assert.equal(after([1, 2], '+3'), [1, 2, 3]);
  assert.equal(after([1, 2], '^3'), [3, 1, 2]);
  assert.equal(after([1, 2], '+3<1'), [1, 3, 2]);
  assert.equal(after([1, 2, 3], '-2'), [1, 3]);
  assert.equal(after([], '+1', '+2<1', '+3'), [1, 2, 3]);
});

test('after a rule that comes later, that goes, and that has gone', () => {
  assert.equal(after([1], '+3<4', '^4'), [4, 3, 1]);
  assert.equal(after([1], '+3<4', '+5<3', '^4'), [4, 3, 5, 1]);
  assert.equal(after([1, 2, 3], '+4<2', '-2'), [1, 4, 3]);
  assert.equal(after([1, 2], '-1', '-2', '+3', '^4', '+5<3'), [4, 3, 5]);
  assert.equal(after([], '+1', '-1', '+2'), [2]);
});

test('replaced: with the same number, and with a new one', () => {
  assert.equal(after([1, 2, 3], '=1', '+1'), [1, 2, 3]);
  assert.equal(after([1, 2, 3], '=1', '+4'), [4, 2, 3]);
  assert.equal(after([1, 2, 3], '=2', '+4<1'), [1, 4, 3]);
  assert.equal(after([1, 2, 3], '=3', '+4'), [1, 2, 4]);
  // What was deleted is not replaced.
  assert.equal(after([1, 2, 3], '-1', '+4'), [2, 3, 4]);
});

test('a place that is never known', () => {
  assert.is(after([1], '+3<9'), undefined);
  const order = new RuleOrder([rule(1)]);
  assert.is(order.delete(2n, false), undefined);
  assert.is(order.has(2n), false);
  order.delete(1n, false);
  assert.is(order.has(1n), false);
  assert.is(order.delete(1n, false), undefined);
});

test.run();
