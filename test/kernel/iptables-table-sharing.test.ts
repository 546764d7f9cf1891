// Rules of a table share the parts that are equal, byte for byte, and nothing else. A commit trusts no byte of a
// snapshot that JavaScript could have changed.

import type { Rule } from '../../src/iptables/rule/rule.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite, throws } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import { families, load, openTables, reset, saved } from '../support/iptables-tables.js';

const test = suite('what rules of a table share');

async function read(family: Family, rules: readonly string[]): Promise<readonly Rule[]> {
  const lines = rules.map((rule) => `-A INPUT ${rule}\n`).join('');
  load(family, `*filter\n:INPUT ACCEPT [0:0]\n:customers - [0:0]\n${lines}COMMIT\n`);
  const tables = openTables({ family, backend: 'legacy' });
  try {
    return (await tables.read('filter')).chain('INPUT').rules;
  } finally {
    await tables.close();
  }
}

test('the same bytes give the same object, whatever comes before them', async () => {
  const any = { ipv4: ['-s 10.0.0.1', '-d 10.0.0.2'], ipv6: ['-s 2001:db8::1', '-d 2001:db8::2'] };
  const rest = '-p tcp -m tcp --dport 443 -m comment --comment "same" -j LOG --log-prefix "new: "';
  for (const family of families) {
    const [first, second] = await read(
      family,
      any[family].map((head) => `${head} ${rest}`),
    );
    assert.is(first!.matches, second!.matches);
    assert.is(first!.target, second!.target);
    assert.is(first!.src === second!.src, false, 'each rule has its own head');
    assert.is(first!.matches, first!.matches);
    const { matches, target } = first as unknown as {
      matches: Record<string, unknown>[];
      target: Record<string, unknown>;
    };
    await throws(TypeError, /not extensible/, () => matches.push({ name: 'mark' }));
    await throws(TypeError, /read only|Cannot assign/, () => {
      matches[0]!.dport = 80;
    });
    await throws(TypeError, /read only|Cannot assign/, () => {
      target.prefix = 'old: ';
    });
    await throws(TypeError, /not extensible/, () => {
      target.data = new Uint8Array(8);
    });
    reset();
  }
});

test('values inside shared objects are frozen too', async () => {
  const rule = '-p tcp -m tcp --tcp-flags SYN,ACK SYN -m multiport --dports 53,123:125 -j ACCEPT';
  const [first, second] = await read('ipv4', [rule, rule]);
  assert.is(first!.matches, second!.matches);
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(frozen));
  assert.ok(frozen(first!.matches));
  assert.ok(frozen(first!.target));
  reset();
});

test('one different byte, at any place, prevents sharing', async () => {
  const base = 'a comment of some length 0123456789';
  const texts = [base];
  for (let at = 0; at < base.length; at++) {
    texts.push(`${base.slice(0, at)}~${base.slice(at + 1)}`);
  }
  texts.push(`${base}~`, base.slice(0, -1));
  for (const family of families) {
    // Each rule is there twice, so that each must be found again among all others.
    const rules = await read(
      family,
      [...texts, ...texts].map((text) => `-m comment --comment "${text}" -j customers`),
    );
    const lists = rules.map((rule) => rule.matches);
    assert.is(new Set(lists).size, texts.length);
    rules.forEach((rule, index) => {
      const text = texts[index % texts.length]!;
      assert.equal(rule.matches, [{ name: 'comment', comment: text }]);
      assert.is(rule.matches, rules[index % texts.length]!.matches);
    });
    reset();
  }
});

test('lists of matches differ by number, order, inversion and revision', async () => {
  const parts = [
    '-m mark --mark 0x10/0xff',
    '-m mark ! --mark 0x10/0xff',
    '-m mark --mark 0x10/0xfe',
    '-m mark --mark 0x11/0xff',
    '-m mark --mark 0x10/0xff -m mark --mark 0x10/0xff',
    '-m mark --mark 0x10/0xff -m mark --mark 0x11/0xff',
    '-m mark --mark 0x11/0xff -m mark --mark 0x10/0xff',
    '-m connmark --mark 0x10/0xff',
    '',
  ];
  const rules = await read('ipv4', parts);
  assert.is(new Set(rules.map((rule) => rule.matches)).size, parts.length);
  assert.equal(rules.map(String), parts);
  assert.ok(rules.every((rule) => rule.target === undefined));
  reset();
});

test('the same target bytes as a jump and as a goto are two targets', async () => {
  const rules = await read('ipv4', ['-j customers', '-g customers', '-j customers', '-j RETURN']);
  assert.equal(
    rules.map((rule) => rule.target),
    [
      { name: 'jump', chain: 'customers' },
      { name: 'goto', chain: 'customers' },
      { name: 'jump', chain: 'customers' },
      { name: 'RETURN' },
    ],
  );
  assert.is(rules[0]!.target, rules[2]!.target);
  reset();
});

test('many different extensions: each rule has its own, in its place', async () => {
  const count = 3000;
  const rules = await read(
    'ipv4',
    Array.from(
      { length: count },
      (_, i) => `-p tcp -m tcp --dport ${1 + (i % 1500)} -m comment --comment "customer ${i}"`,
    ),
  );
  rules.forEach((rule, i) => {
    assert.equal(rule.matches, [
      { name: 'tcp', dport: 1 + (i % 1500) },
      { name: 'comment', comment: `customer ${i}` },
    ]);
  });
  reset();
});

test('the fingerprint depends only on content', async () => {
  const tables = openTables({ backend: 'legacy' });
  const print = async (...rules: string[]) => {
    await read('ipv4', rules);
    return (await tables.read('filter')).fingerprint;
  };
  const rules = ['-m limit --limit 60/min -j LOG', '-s 10.0.0.1 -m mark --mark 1 -j customers'];
  const first = await print(...rules);
  assert.is(await print(...rules), first);
  assert.is(await print('-c 5 500 -m limit --limit 60/min -j LOG', rules[1]!), first, 'counters');
  const others = [
    [rules[1]!, rules[0]!],
    [rules[0]!],
    [rules[0]!, rules[1]!, rules[1]!],
    ['-m limit --limit 61/min -j LOG', rules[1]!],
    ['-m limit --limit 60/min -j LOG --log-level 5', rules[1]!],
    [rules[0]!, '-s 10.0.0.2 -m mark --mark 1 -j customers'],
    [rules[0]!, '-s 10.0.0.1 -m mark --mark 1 -g customers'],
  ];
  const seen = new Set([first]);
  for (const other of others) seen.add(await print(...other));
  assert.is(seen.size, others.length + 1);
  await tables.close();
  reset();
});

test('a commit does not use a snapshot that was changed', async () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return seed % below;
  };
  const header = 112;
  for (const family of families) {
    const rules = Array.from(
      { length: 40 },
      (_, i) => `-p udp -m udp --dport ${i + 1} -j customers`,
    );
    const tables = openTables({ family, backend: 'legacy' });
    for (let round = 0; round < 120; round++) {
      if (round % 20 === 0) await read(family, rules);
      const before = saved(family).split('\n');
      await tables.edit('filter', (table) => {
        const chain = table.chain('INPUT');
        const bytes = new Uint8Array(encodeRule(chain.rules[0]!).buffer);
        const length = chain.length;
        // Random bytes behind the header: offsets, entries, chain records, numbers.
        for (let i = 0; i <= round % 8; i++) {
          bytes[header + random(bytes.length - header)] = random(256);
        }
        if (round % 10 === 9) bytes.fill(0xff, header);
        assert.is(chain.append('-j ACCEPT').length, length + 1);
      });
      const last = before.findLastIndex((line) => line.startsWith('-A INPUT'));
      before.splice(last + 1, 0, '-A INPUT -j ACCEPT');
      assert.equal(saved(family).split('\n'), before);
    }
    await tables.close();
    reset();
  }
});

test.run();
