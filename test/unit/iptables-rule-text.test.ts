// Rules as text: parsing, printing, refusals, and sameRule().

import type { RuleInit } from '../../src/iptables/rule/rule.js';
import { formatRule, parseRule, parseRules, sameRule } from '../../src/iptables/rule/text.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('iptables rule text');

test('text: the rule of the documentation', () => {
  const text = '-p tcp --syn -m conntrack --ctstate NEW -m multiport --dports 80,443 -j ACCEPT';
  const rule = parseRule(text);
  assert.equal(rule, {
    protocol: 'tcp',
    matches: [
      { name: 'tcp', tcpFlags: { mask: ['FIN', 'SYN', 'RST', 'ACK'], set: ['SYN'] } },
      { name: 'conntrack', ctstate: ['NEW'] },
      { name: 'multiport', dports: [80, 443] },
    ],
    target: { name: 'ACCEPT' },
  });
  assert.is(
    formatRule(rule),
    '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -m multiport --dports 80,443 -j ACCEPT',
  );
});

test('text: lists make several rules', async () => {
  const rules = parseRules('-s 1.1.1.1,2.2.2.2 -d 3.3.3.3,4.4.4.4');
  assert.equal(
    rules.map((rule) => `${rule.src} ${rule.dst}`),
    ['1.1.1.1 3.3.3.3', '1.1.1.1 4.4.4.4', '2.2.2.2 3.3.3.3', '2.2.2.2 4.4.4.4'],
  );
  await throws(RangeError, /makes 4 rules: use parseRules\(\)/, () =>
    parseRule('-s 1.1.1.1,2.2.2.2 -d 3.3.3.3,4.4.4.4'),
  );
});

test('text: refusals name the option and the reason', async () => {
  const bad = (text: string, message: RegExp) => throws(RangeError, message, () => parseRule(text));
  await bad('-p tcp --dport 70000', /^-m tcp --dport: expected a port.* got "70000"/);
  await bad('--dport 70', /^rule: --dport: not an option of a rule/);
  await bad('-m conntrack', /^-m conntrack: needs at least one condition/);
  await bad('-m mark', /^-m mark --mark: mark needs it/);
  await bad('-s example.org', /^rule: -s: .*host names are not resolved/);
  await bad('-A INPUT -j DROP', /^rule: -A: is not part of a rule/);
  await bad('-t nat -j DROP', /^rule: -t: is not part of a rule/);
  await bad(
    '-j MARK --set-mark 1 --or-mark 2',
    /^-j MARK --or-mark: cannot be used together with --set-mark/,
  );
  await bad('-j REJECT --reject-with tcp-reset', /^-j REJECT: tcp-reset needs a rule with -p tcp/);
  await bad('-m nosuch', /^rule: -m: expected a match of ipv4, got "nosuch"/);
  await bad('-m mark --mark 1 -m mark --mark', /^-m mark --mark: needs an argument/);
});

test('text: counters', () => {
  assert.equal(parseRule('-c 5 6 -j DROP').counters, { packets: 5n, bytes: 6n });
  assert.equal(parseRule('--set-counters 5,6').counters, { packets: 5n, bytes: 6n });
});

test('text: the family follows from the rule', () => {
  assert.is(formatRule({ src: '2001:db8::1' }), '-s 2001:db8::1/128');
  assert.is(
    formatRule({ target: { name: 'REJECT', with: 'icmp6-no-route' } }),
    '-j REJECT --reject-with icmp6-no-route',
  );
  assert.is(
    formatRule({ target: { name: 'REJECT' } }),
    '-j REJECT --reject-with icmp-port-unreachable',
  );
});

test('an IPv4-mapped address in a typed rule of IPv4 is the IPv4 address', async () => {
  const ofIpv4 = (rule: RuleInit) => formatRule(rule, { family: 'ipv4' });
  for (const [src, text] of [
    ['::ffff:10.0.0.1', '-s 10.0.0.1/32'],
    ['::FFFF:0a00:0001', '-s 10.0.0.1/32'],
    ['0:0:0:0:0:ffff:10.0.0.1', '-s 10.0.0.1/32'],
    ['::ffff:10.1.2.3/104', '-s 10.0.0.0/8'],
    ['::ffff:10.1.2.3/128', '-s 10.1.2.3/32'],
  ] as const) {
    assert.is(ofIpv4({ src }), text);
    assert.is(ofIpv4({ dst: { not: src } }), text.replace('-s', '! -d'));
  }
  assert.is(ofIpv4({ src: '::ffff:0:0/96' }), '');
  const ctorigsrc = '::ffff:10.0.0.0/104';
  assert.is(
    ofIpv4({ matches: [{ name: 'conntrack', ctorigsrc }] }),
    '-m conntrack --ctorigsrc 10.0.0.0/8',
  );
  const srcRange = { from: '::ffff:10.0.0.1', to: '10.0.0.9' };
  assert.is(
    ofIpv4({ matches: [{ name: 'iprange', srcRange }] }),
    '-m iprange --src-range 10.0.0.1-10.0.0.9',
  );
  // A prefix larger than IPv4, a prefix of unclear family, other masks, other addresses, scopes.
  for (const src of [
    '::ffff:10.0.0.1/95',
    '::ffff:10.0.0.1/32',
    '::ffff:10.0.0.1/255.0.0.0',
    '::10.0.0.1',
    '::ffff:10.0.0.1%eth0',
    'fd00::1',
  ]) {
    await throws(RangeError, /rule\.src: expected an IPv4 address or network/, () =>
      ofIpv4({ src }),
    );
  }
  // In an IPv6 rule it stays an IPv6 address. Texts take only the addresses that iptables takes.
  const rule = { src: '::ffff:10.0.0.1' };
  assert.is(formatRule(rule, { family: 'ipv6' }), '-s ::ffff:10.0.0.1/128');
  await throws(RangeError, /expected an IPv4 address/, () => parseRule('-s ::ffff:10.0.0.1'));
});

test('sameRule takes copies and rules that were written by hand', async () => {
  for (const [family, src, other] of [
    ['ipv4', '10.0.0.0/8', 'fd00::/8'],
    ['ipv6', 'fd00::/8', '10.0.0.0/8'],
  ] as const) {
    const init: RuleInit = { src, target: { name: 'goto', chain: 'x' } };
    const rule = decodeRule(encodeRule(init, { family }), { family });
    const bare = decodeRule(encodeRule({}, { family }), { family });
    for (const same of [init, { ...rule }, { ...init, counters: { packets: 1n, bytes: 2n } }]) {
      assert.ok(sameRule(same, rule) && sameRule(rule, same) && sameRule(same, init));
    }
    assert.ok(sameRule({}, bare) && sameRule(bare, {}));
    for (const [what, no] of Object.entries({
      address: { ...init, src: other },
      jump: { ...init, target: { name: 'jump', chain: 'x' } } as RuleInit,
      more: { ...init, protocol: 'tcp' },
      less: { target: init.target },
    })) {
      assert.not(sameRule(no as RuleInit, rule) || sameRule(rule, no as RuleInit), what);
    }
    await throws(RangeError, /^b\.src: /, () => sameRule(rule, { src: 'x' }));
    await throws(RangeError, /^a\.src: /, () => sameRule({ src: 'x' }, {}));
  }
  for (const bad of [null, undefined, 7, []]) {
    const given = bad as unknown as RuleInit;
    await throws(TypeError, /^a: expected a rule/, () => sameRule(given, {}));
    await throws(TypeError, /^b: expected a rule/, () => sameRule({}, given));
  }
});

test('sameRule takes objects, read rules and text in any mixture', async () => {
  const text = '-p tcp -m tcp --dport 22 -j REJECT';
  const init: RuleInit = {
    protocol: 6,
    matches: [{ name: 'tcp', dport: 22 }],
    target: { name: 'REJECT' },
  };
  for (const family of ['ipv4', 'ipv6'] as const) {
    const rule = decodeRule(encodeRule(init, { family }), { family });
    const same = [text, '-p 6 --dport ssh -j REJECT -c 5 6', init, rule, { ...rule }, String(rule)];
    const others = ['', '-p tcp --dport 23 -j REJECT', `-i lo ${text}`, {}, { ...init, in: 'lo' }];
    for (const a of same) {
      for (const b of same) assert.ok(sameRule(a, b), `${String(a)} and ${String(b)}`);
      for (const b of others) {
        assert.not(sameRule(a, b), `${String(a)} and ${String(b)}`);
        assert.not(sameRule(b, a), `${String(b)} and ${String(a)}`);
      }
    }
  }
});

test('sameRule compares in the family that both rules can be in', async () => {
  const six = '-s fd00::1 -j REJECT';
  assert.ok(sameRule(six, '-s fd00::1/128 -j REJECT --reject-with icmp6-port-unreachable'));
  assert.ok(sameRule('-j REJECT', '-j REJECT --reject-with icmp6-port-unreachable'));
  assert.ok(sameRule({ target: { name: 'REJECT' } }, '-j REJECT --reject-with port-unreach'));
  assert.not(sameRule(six, '-s 10.0.0.1 -j REJECT'));
  assert.not(sameRule(six, { src: '10.0.0.1', target: { name: 'REJECT' } }));
  // `-p all` has an effect in neither family, but only IPv6 has it as a field.
  assert.ok(sameRule('-p all', ''));
  const read = decodeRule(encodeRule({}, { family: 'ipv6' }), { family: 'ipv6' });
  assert.ok(sameRule('', read));
  assert.not(sameRule('-s 10.0.0.1', read));
  assert.not(sameRule(read, decodeRule(encodeRule({}), {})), 'an empty rule of the other family');
});

test('sameRule compares IP sets by name, without a kernel', () => {
  const text = '-m set --match-set bad src -j DROP';
  const init = parseRule(text, { sets: { indexOf: () => 1, nameOf: () => 'bad' } });
  assert.ok(sameRule(text, init) && sameRule(init, text) && sameRule(text, text));
  assert.not(sameRule(text, '-m set --match-set worse src -j DROP'));
});

test('sameRule refuses a text that is wrong, and names it', async () => {
  await throws(RangeError, /^a: -p: expected a protocol/, () => sameRule('-p nothing', {}));
  await throws(RangeError, /^b: it means 2 rules/, () => sameRule('', '-s 10.0.0.1,10.0.0.2'));
  const read = decodeRule(encodeRule({}, { family: 'ipv6' }), { family: 'ipv6' });
  await throws(RangeError, /^b: --nonsense: /, () => sameRule(read, '--nonsense'));
  await throws(RangeError, /^b: .*double quote/, () => sameRule({}, '-m comment --comment "x'));
});

test.run();
