// The types of rules: wrong rules must not compile. `tsc` checks the expectations. At run time the same objects are
// refused.

import type { Match, RuleInit, Target } from '../../src/iptables/rule/rule.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('iptables types');

const wrongMatches: Match[] = [
  // @ts-expect-error: no such field
  { name: 'conntrack', ctstat: ['NEW'] },
  // @ts-expect-error: no such state
  { name: 'conntrack', ctstate: ['FRESH'] },
  // @ts-expect-error: a port is a number
  { name: 'tcp', dport: '80' },
  // @ts-expect-error: a range is { from, to }
  { name: 'tcp', dport: [80, 443] },
  // @ts-expect-error: ranges in a list as well
  { name: 'multiport', dports: [[80, 443]] },
  // @ts-expect-error: a range is { from, to }
  { name: 'length', length: [1, 2] },
  // @ts-expect-error: cannot be negated
  { name: 'limit', burst: { not: 5 } },
  // @ts-expect-error: the mark is missing
  { name: 'mark' },
  // @ts-expect-error: a field of another match
  { name: 'udp', tcpFlags: { mask: [], set: [] } },
  // @ts-expect-error: the raw form needs its revision
  { name: 'raw', extension: 'anything', data: new Uint8Array(8) },
  // @ts-expect-error: only the raw form has bytes
  { name: 'conntrack', revision: 9, data: new Uint8Array(8) },
];
const wrongTargets: Target[] = [
  // @ts-expect-error: no such level
  { name: 'LOG', level: 'loud' },
  // @ts-expect-error: the chain is missing
  { name: 'jump' },
  // @ts-expect-error: not a target
  { name: 'BLOCK' },
  // @ts-expect-error: no such answer
  { name: 'REJECT', with: 'nothing' },
];
// @ts-expect-error: a rule has no ports
const wrongRule: RuleInit = { dport: 80 };

test('rules that do not compile are refused at run time too', async () => {
  const refuse = async (rule: RuleInit) => {
    try {
      encodeRule(rule);
    } catch (error) {
      assert.ok(error instanceof TypeError || error instanceof RangeError);
      return;
    }
    throw new Error(`taken: ${JSON.stringify(rule)}`);
  };
  const first = wrongMatches[0]!;
  for (const match of wrongMatches)
    await refuse({ protocol: first === match ? 6 : 'tcp', matches: [match] });
  for (const target of wrongTargets) await refuse({ protocol: 'tcp', target });
  await throws(TypeError, /rule\.dport/, () => encodeRule(wrongRule));
});

test('the unions narrow by name', () => {
  const describe = (match: Match): string => {
    switch (match.name) {
      case 'raw':
        return `raw ${match.extension} of ${match.data.length} bytes`;
      case 'conntrack':
        return `ctstate ${String(match.ctstate)}`;
      case 'limit':
        return `burst ${match.burst}`;
      default:
        return match.name;
    }
  };
  assert.is(describe({ name: 'conntrack', ctstate: ['NEW'] }), 'ctstate NEW');
  assert.is(describe({ name: 'limit', burst: 5 }), 'burst 5');
  assert.is(
    describe({ name: 'raw', extension: 'x', revision: 0, data: new Uint8Array(0) }),
    'raw x of 0 bytes',
  );
});

test.run();
