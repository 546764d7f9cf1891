// rule.ts: typed rules, their bytes, raw parts, and refusals.

import { hex } from '../../src/iptables/rule/print.js';
import type { Match, RuleInit, Target } from '../../src/iptables/rule/rule.js';
import { Rule } from '../../src/iptables/rule/rule.js';
import { parseRule, parseRules, sameRule } from '../../src/iptables/rule/text.js';
import { splitEntry } from '../../src/iptables/xtables/entry.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('iptables rule');

const decoded = (init: RuleInit, family: 'ipv4' | 'ipv6' = 'ipv4') =>
  decodeRule(encodeRule(init, { family }), { family });

test('a typed rule survives its bytes', () => {
  const init: RuleInit = {
    protocol: 'tcp',
    src: '10.0.0.0/8',
    dst: { not: '192.168.1.1' },
    in: 'eth+',
    out: { not: 'lo' },
    matches: [
      {
        name: 'tcp',
        dport: { from: 80, to: 90 },
        tcpFlags: { not: { mask: ['SYN', 'ACK'], set: ['SYN'] } },
      },
      { name: 'conntrack', ctstate: ['NEW', 'ESTABLISHED'], ctexpire: { not: { from: 1, to: 5 } } },
      { name: 'limit', rate: { count: 7, per: 'minute' }, burst: 30 },
    ],
    target: { name: 'LOG', prefix: 'INVALID: ', level: 'info' },
    counters: { packets: 5n, bytes: 0xffff_ffff_ffff_ffffn },
  };
  const rule = decoded(init);
  assert.equal(rule.with(), init);
  assert.equal(rule.warnings, []);
  assert.is(
    rule.toString(),
    '-s 10.0.0.0/8 ! -d 192.168.1.1/32 -i eth+ ! -o lo -p tcp -m tcp --dport 80:90 ! --tcp-flags SYN,ACK SYN -m conntrack --ctstate NEW,ESTABLISHED ! --ctexpire 1:5 -m limit --limit 7/min --limit-burst 30 -j LOG --log-prefix "INVALID: " --log-level 6',
  );
});

test('a rule is immutable and keeps its bytes', async () => {
  const raw = encodeRule({ matches: [{ name: 'mark', mark: 3 }], target: { name: 'ACCEPT' } });
  const rule = decodeRule(raw);
  assert.is(encodeRule(rule), raw, 'an unchanged rule gives the bytes that were read');
  await throws(TypeError, /read only|Cannot assign/i, () => {
    (rule.matches[0] as { mark: number }).mark = 4;
  });
  await throws(TypeError, /not extensible|object is not/i, () => {
    (rule.matches as Match[]).push({ name: 'mark', mark: 4 });
  });
  assert.is(rule.matches[0], decodeRule(raw.slice()).matches[0], 'equal payloads are shared');
});

test('targets: verdicts, chains, none', () => {
  const targets: (Target | undefined)[] = [
    { name: 'ACCEPT' },
    { name: 'RETURN' },
    { name: 'jump', chain: 'CT_STATES' },
    { name: 'goto', chain: 'jump' },
    { name: 'REJECT', with: 'icmp-net-unreachable' },
    undefined,
  ];
  for (const target of targets) {
    const rule = target === undefined ? {} : { target };
    assert.equal(decoded(rule).target, target);
    assert.equal(decoded(rule).matches, []);
  }
  const jump = encodeRule({ target: { name: 'jump', chain: 'X' } });
  assert.is(splitEntry(jump, 'ipv4').target.name, 'X', 'the portable form names the chain');
  assert.is(jump[82], 0);
  assert.is(encodeRule({ target: { name: 'goto', chain: 'X' } })[82], 2, 'IPT_F_GOTO');
});

test('a chain with the name of a target is recognized if the chains are known', () => {
  const raw = encodeRule({ target: { name: 'jump', chain: 'NEWTARGET' } });
  assert.equal(decodeRule(raw, { isChain: (name) => name === 'NEWTARGET' }).target, {
    name: 'jump',
    chain: 'NEWTARGET',
  });
  const target = decodeRule(raw, { isChain: () => false }).target;
  assert.ok(target?.name === 'raw');
  assert.equal(target.data, new Uint8Array(8));
});

test('older revisions decode, keep their revision and encode the same', () => {
  const matches: Match[] = [
    { name: 'conntrack', revision: 1, ctstate: ['NEW'], ctorigsrcport: 258 },
    { name: 'conntrack', revision: 2, ctstate: { not: ['UNTRACKED'] }, ctrepldstport: 80 },
    { name: 'multiport', revision: 0, dports: [80, 443] },
    { name: 'addrtype', revision: 0, srcType: { not: ['LOCAL'] }, dstType: ['UNICAST'] },
  ];
  const sizes = [152, 160, 32, 16];
  for (const [index, match] of matches.entries()) {
    const rule = decoded({ protocol: 'tcp', matches: [match] });
    assert.equal(rule.matches, [match]);
    assert.is(splitEntry(encodeRule(rule), 'ipv4').matches[0]!.payload.length, sizes[index]);
  }
  const targets: Target[] = [
    { name: 'CT', revision: 0, notrack: true, zone: 5 },
    { name: 'CT', revision: 1, timeout: 'short', ctevents: ['new', 'destroy'] },
    { name: 'CONNMARK', revision: 1, saveMark: { nfmask: 1, ctmask: 2 } },
    {
      name: 'DNAT',
      revision: 0,
      toDestination: { address: '1.2.3.4', port: { from: 80, to: 90 } },
    },
    {
      name: 'DNAT',
      revision: 1,
      toDestination: { address: { from: '1.2.3.4', to: '1.2.3.9' } },
      random: true,
    },
    { name: 'NOTRACK' },
  ];
  for (const target of targets) assert.equal(decoded({ protocol: 'tcp', target }).target, target);
});

test('states of conntrack by revision: revision 1 has no bit for UNTRACKED', async () => {
  const states = ['INVALID', 'ESTABLISHED', 'RELATED', 'NEW', 'SNAT', 'DNAT'] as const;
  for (const revision of [1, 2, 3] as const) {
    for (const state of [...states, 'UNTRACKED'] as const) {
      for (const ctstate of [[state], { not: [state] }, ['NEW', 'RELATED', state]] as const) {
        const list = [...new Set('not' in ctstate ? ctstate.not : ctstate)];
        const given = 'not' in ctstate ? { not: list } : list;
        const match = { name: 'conntrack', revision, ctstate: given } as Match;
        if (revision === 1 && state === 'UNTRACKED') {
          // Without its bit the list would mean less. Alone it would mean nothing, and negated every packet.
          await throws(RangeError, /^rule\.matches\[0\]\.ctstate: .*revision 1/, () =>
            encodeRule({ matches: [match] }),
          );
          continue;
        }
        const { ctstate: read } = decoded({ matches: [match] }).matches[0] as { ctstate: unknown };
        const names = (value: unknown) =>
          [...((value as { not?: string[] }).not ?? (value as string[]))].sort();
        assert.equal(names(read), names(given));
        assert.is('not' in Object(read), 'not' in Object(given));
      }
    }
  }
  // A text with a limit of revisions is refused in the same way.
  await throws(RangeError, /ctstate.*revision 1/, () =>
    parseRules('-m conntrack --ctstate NEW,UNTRACKED', { maxRevision: () => 1 }),
  );
  await throws(RangeError, /revision 1/, () =>
    parseRules('-m state ! --state UNTRACKED', { maxRevision: () => 1 }),
  );
});

test('ports of old conntrack revisions are in network order', () => {
  for (const [revision, bytes] of [
    [1, '0102'],
    [3, '0201'],
  ] as const) {
    const raw = encodeRule({ matches: [{ name: 'conntrack', revision, ctorigsrcport: 258 }] });
    const { payload } = splitEntry(raw, 'ipv4').matches[0]!;
    assert.is(hex(payload.subarray(138, 140)), bytes);
  }
});

test('unknown extensions are kept byte for byte, also through text', () => {
  const data = Uint8Array.from({ length: 16 }, (_, at) => at * 17);
  for (const unknown of [
    { name: 'raw', extension: 'future', revision: 3, data },
    { name: 'raw', extension: 'conntrack', revision: 9, data },
    { name: 'raw', extension: 'tcp', revision: 0, data: data.subarray(0, 8) },
  ] as const) {
    const rule = decoded({ protocol: 'tcp', matches: [unknown], target: unknown });
    for (const found of [rule.matches[0]!, rule.target!]) {
      assert.ok(found.name === 'raw');
      assert.is(found.extension, unknown.extension);
      assert.is(found.revision, unknown.revision);
      assert.equal(found.data, unknown.data);
    }
    assert.is(rule.warnings.length, 2);
    const back = parseRule(rule.toString());
    assert.equal(encodeRule(back), encodeRule(rule));
    assert.equal(encodeRule(rule.with()), encodeRule(rule));
  }
});

test('bytes that the typed form cannot express stay raw, with the reason', () => {
  const raw = encodeRule({ protocol: 'tcp', matches: [{ name: 'tcp', dport: 1 }] });
  raw[112 + 32 + 11] = 0x80; // an unknown inversion bit
  const rule = decodeRule(raw);
  const [found] = rule.matches;
  assert.ok(found?.name === 'raw');
  assert.is(found.data.length, 16);
  assert.match(rule.warnings[0]!, /tcp revision 0: does not round-trip/);
  assert.equal(encodeRule(rule.with()), raw);
});

test('bytes after the NUL of a string do not make it raw', () => {
  const raw = encodeRule({ matches: [{ name: 'comment', comment: 'abc' }] });
  raw[112 + 32 + 10] = 0x41;
  assert.equal(decodeRule(raw).matches, [{ name: 'comment', comment: 'abc' }]);
  const clean = decoded({ matches: [{ name: 'comment', comment: 'abc' }] });
  assert.ok(sameRule(decodeRule(raw), clean));
});

test('strings that are not UTF-8 survive', () => {
  const raw = encodeRule({ matches: [{ name: 'comment', comment: 'aXb' }] });
  raw[112 + 32 + 1] = 0xff;
  const rule = decodeRule(raw);
  assert.equal(encodeRule(rule.with()), raw);
  assert.equal(encodeRule(parseRule(rule.toString())), raw);
});

test('sameRule ignores the private tail of an extension, and counters', () => {
  const raw = encodeRule({ matches: [{ name: 'limit', rate: { count: 1, per: 'second' } }] });
  const other = raw.slice();
  other[112 + 32 + 20] = 0x77;
  other[96] = 9;
  assert.ok(sameRule(decodeRule(raw), decodeRule(other)));
  assert.not.ok(sameRule(decodeRule(raw), decoded({})));
});

test('a head that iptables cannot express is reported', () => {
  const raw = encodeRule({ src: '10.0.0.0/8' });
  raw[3] = 1; // a host bit beyond the mask: the rule matches nothing
  assert.match(decodeRule(raw).warnings[0]!, /more than the fields of a rule can express/);
  const v6 = encodeRule({ protocol: 'tcp' }, { family: 'ipv6' });
  v6[131] = 0; // the kernel ignores the protocol without IP6T_F_PROTO
  assert.match(
    decodeRule(v6, { family: 'ipv6' }).warnings[0]!,
    /more than the fields of a rule can express/,
  );
});

test('broken entries are refused', async () => {
  const raw = encodeRule({ matches: [{ name: 'mark', mark: 1 }] });
  await throws(RangeError, /not one ipv4 rule/, () => decodeRule(raw.subarray(0, 100)));
  await throws(RangeError, /not one ipv4 rule/, () => decodeRule(raw.subarray(0, raw.length - 8)));
  const broken = raw.slice();
  broken[112] = 200;
  await throws(RangeError, /does not fit/, () => decodeRule(broken).matches);
  broken[112] = 0;
  await throws(RangeError, /does not fit/, () => decodeRule(broken).matches);
});

test('bad typed rules are refused with the path', async () => {
  const bad = (
    init: unknown,
    path: RegExp,
    kind: typeof TypeError | typeof RangeError = RangeError,
  ) => throws(kind, path, () => encodeRule(init as RuleInit));
  await bad({ src: '10.0.0.256' }, /^rule\.src: /);
  await bad({ src: 5 }, /^rule\.src: expected a string/, TypeError);
  await bad({ src: '::1' }, /^rule\.src: expected an IPv4/);
  await bad({ dst: { not: 'x' } }, /^rule\.dst\.not: /);
  await bad({ in: 'a\nb' }, /^rule\.in: /);
  await bad({ in: 'abcdefghijklmnop' }, /^rule\.in: /);
  await bad({ fragment: false }, /^rule\.fragment: /, TypeError);
  await bad({ protocol: 'nosuch' }, /^rule\.protocol: /);
  await bad({ protocol: { not: 0 } }, /^rule\.protocol: .*never match/);
  await bad({ sport: 5 }, /^rule\.sport: there is no such field/, TypeError);
  await bad({ matches: {} }, /^rule\.matches: /, TypeError);
  await bad({ matches: [{ name: 'nosuch' }] }, /^rule\.matches\[0\]\.name: /);
  await bad({ matches: [{ name: 'mark' }] }, /^rule\.matches\[0\]\.mark: mark needs it/);
  await bad({ matches: [{ name: 'mark', mark: -1 }] }, /^rule\.matches\[0\]\.mark: /);
  await bad(
    { matches: [{ name: 'mark', mark: 1, mask: 2 }] },
    /^rule\.matches\[0\]\.mask: /,
    TypeError,
  );
  await bad({ matches: [{ name: 'mark', revision: 7, mark: 1 }] }, /\.revision: expected one of 1/);
  await bad({ matches: [{ name: 'limit', burst: { not: 5 } }] }, /\.burst: cannot be negated/);
  await bad({ matches: [{ name: 'tcp', dport: 5 }] }, /^rule\.matches\[0\]: .* -p tcp/);
  await bad(
    { protocol: 'tcp', matches: [{ name: 'tcp', dport: { from: 5, to: 3 } }] },
    /dport: .*reversed/,
  );
  await bad({ matches: [{ name: 'icmp6', icmpv6Type: 1 }] }, /^rule\.matches\[0\]\.name: /);
  await bad({ matches: [{ name: 'comment', comment: 'x'.repeat(256) }] }, /\.comment: /);
  await bad({ matches: [{ name: 'comment', comment: 'a\nb' }] }, /line break/);
  await bad(
    { matches: [{ name: 'raw', extension: 'x', revision: 0, data: new Uint8Array(7) }] },
    /multiple of 8/,
  );
  await bad({ target: { name: 'nosuch' } }, /^rule\.target\.name: /);
  await bad({ target: { name: 'jump', chain: 'ACCEPT' } }, /^rule\.target\.chain: .*not a chain/);
  await bad({ target: { name: 'jump', chain: 'LOG' } }, /^rule\.target\.chain: LOG is a target/);
  await bad({ target: { name: 'jump', chain: 'x'.repeat(29) } }, /^rule\.target\.chain: /);
  await bad({ target: { name: 'jump', chain: '-x' } }, /^rule\.target\.chain: /);
  await bad({ target: { name: 'ACCEPT', chain: 'x' } }, /^rule\.target\.chain: /, TypeError);
  await bad({ target: { name: 'REJECT', with: 'tcp-reset' } }, /^rule\.target: tcp-reset needs/);
  await bad({ counters: { packets: 1, bytes: 2n } }, /^rule\.counters\.packets: /, TypeError);
  await bad({ counters: { packets: 1n, bytes: -2n } }, /^rule\.counters\.bytes: /);
  await throws(RangeError, /only in the table nat/, () =>
    encodeRule({ target: { name: 'MASQUERADE' } }, { table: 'filter' }),
  );
});

test('an older kernel gets an older revision, or an error that names the missing feature', async () => {
  const older = { maxRevision: () => 2 };
  const raw = encodeRule({ matches: [{ name: 'conntrack', ctorigsrcport: 5 }] }, older);
  assert.is(splitEntry(raw, 'ipv4').matches[0]!.revision, 2);
  await throws(TypeError, /ctorigsrcport: expected one port \(revision 2 has no ranges\)/, () =>
    encodeRule({ matches: [{ name: 'conntrack', ctorigsrcport: { from: 5, to: 6 } }] }, older),
  );
});

test('state is conntrack with an alias', () => {
  const rule = decoded(parseRule('-m state --state NEW'));
  assert.equal(rule.matches, [{ name: 'conntrack', ctstate: ['NEW'], alias: 'state' }]);
  assert.is(rule.toString(), '-m state --state NEW');
  assert.not.ok(sameRule(rule, decoded(parseRule('-m conntrack --ctstate NEW'))));
});

test('toJSON has everything that JSON can hold', () => {
  const rule = decoded(parseRule('-s 1.2.3.4 -c 1 2 -j DROP'));
  assert.equal(JSON.parse(JSON.stringify(rule)), {
    src: '1.2.3.4',
    matches: [],
    target: { name: 'DROP' },
    counters: { packets: '1', bytes: '2' },
  });
  assert.instance(rule, Rule);
});

test.run();
