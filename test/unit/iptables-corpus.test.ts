// Properties of every rule text of the tests, in both families: the printed text of a rule means the same rule, and a
// rule that is taken as text is also taken as an object.
// Limit: 600 s (it tests every text of the tests several times)

import { extensions } from '../../src/iptables/extensions/index.js';
import type { Family, Rule, RuleInit } from '../../src/iptables/rule/rule.js';
import { ruleKey } from '../../src/iptables/rule/rule.js';
import { parseRules, sameRule } from '../../src/iptables/rule/text.js';
import { splitEntry } from '../../src/iptables/xtables/entry.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite, throws } from '../support/harness.js';
import { Random } from '../support/random-rules.js';
import { ruleCorpus } from '../support/rule-corpus.js';

const test = suite('every rule of the tests');
const names = ['first', 'second', 'foo', 'bar', 'foo6', 'bar6', 'counted', 'list', 'abc'];
const sets = {
  indexOf: (name: string) => (names.includes(name) ? names.indexOf(name) : undefined),
  nameOf: (index: number) => names[index],
};

const parse = (text: string, family: Family): Rule => {
  const [init, ...more] = parseRules(text, { family, sets });
  assert.is(more.length, 0);
  return read(init!, family);
};
const read = (init: RuleInit, family: Family) =>
  decodeRule(encodeRule(init, { family, sets }), { family, sets });

/** Fails with the texts for which a property does not hold. */
function forEvery(family: Family, what: (text: string) => string | undefined): void {
  const corpus = ruleCorpus(family, sets);
  assert.ok(corpus.length > 1500, `${corpus.length} texts`);
  const problems: string[] = [];
  for (const text of corpus) {
    let told: string | undefined;
    try {
      told = what(text);
    } catch (error) {
      told = `refused: ${(error as Error).message}`;
    }
    if (told !== undefined) problems.push(`${text}\n  ${told}`);
  }
  if (problems.length > 0) {
    throw new Error(`${problems.length} texts, the first:\n${problems.slice(0, 25).join('\n')}`);
  }
}

for (const family of ['ipv4', 'ipv6'] as const) {
  test(`${family}: the text that a rule prints means that rule, and prints the same again`, () => {
    forEvery(family, (text) => {
      const rule = parse(text, family);
      if (rule.warnings.length > 0 && !text.includes('--raw-payload'))
        return `read as ${rule}: ${rule.warnings}`;
      const back = parse(String(rule), family);
      if (!sameRule(rule, back)) return `prints ${rule}\n  ${ruleKey(rule)}\n  ${ruleKey(back)}`;
      if (!sameRule(rule, String(rule)) || !sameRule({ ...rule }, rule)) return `is not ${rule}`;
      return String(back) === String(rule) ? undefined : `prints ${rule}, and then ${back}`;
    });
  });

  test(`${family}: the fields of a rule are taken as an object, and give the same bytes`, () => {
    forEvery(family, (text) => {
      const rule = parse(text, family);
      const again = encodeRule({ ...rule }, { family, sets });
      return Buffer.compare(again, encodeRule(rule)) === 0 ? undefined : `${rule}: other bytes`;
    });
  });
}

// Bytes that kernels can hold and iptables does not take: random changes of fields, in every extension.
for (const family of ['ipv4', 'ipv6'] as const) {
  test(`${family}: the text of an extension with any bytes means these bytes, and they are kept`, () => {
    const random = new Random(Number(process.env.TEST_SEED ?? 1));
    let raw = 0;
    const seen = new Map<string, number>();
    forEvery(family, (text) => {
      const entry = encodeRule(parse(text, family));
      const { matches, target } = splitEntry(entry, family);
      for (const part of [...matches, target]) {
        const times = seen.get(part.name) ?? 0;
        if (part.payload.length === 0 || part.name.length === 0 || times > 150) continue;
        // Their texts are rounded, as in iptables.
        if (part.name === 'rateest' || part.name === 'RATEEST') continue;
        seen.set(part.name, times + 1);
        const changed = entry.slice();
        const at = part.payload.byteOffset - entry.byteOffset;
        for (let n = 1 + random.int(3); n > 0; n--) {
          const where = at + random.int(part.payload.length);
          changed[where] = random.pick([0, 1, 255, random.int(256), changed[where]! ^ 1]);
        }
        // Verdicts and jumps: the kernel owns their payload.
        if (part.payload.length === 8 && part === target && isStandard(part.name)) continue;
        const rule = decodeRule(changed, { family, sets });
        if (rule.warnings.length > 0) raw++;
        let back: Rule;
        try {
          back = parse(String(rule), family);
        } catch (error) {
          // The kernel would refuse it too.
          if (/needs a rule with -p/.test((error as Error).message)) continue;
          throw error;
        }
        if (!sameRule(rule, back)) return `${rule}\n  ${ruleKey(rule)}\n  ${ruleKey(back)}`;
        const kept = read({ ...rule }, family);
        if (!sameRule(rule, kept)) return `${rule}: not kept, but ${kept}`;
      }
      return undefined;
    });
    assert.ok(raw > 100, `${raw} were raw`);
  });
}

const isStandard = (name: string) => !extensions.some((each) => each.name === name);

test('a range without a text that iptables takes is read as raw, and is kept', () => {
  const rule = parse('-p tcp -m tcp --dport 22:80 -j ACCEPT', 'ipv4');
  const raw = encodeRule(rule).slice();
  raw.set([80, 0, 22, 0], 112 + 32 + 4);
  const odd = decodeRule(raw);
  assert.is(odd.matches[0]!.name, 'raw');
  assert.match(odd.warnings[0]!, /tcp revision 0: .*dport: the range 80…22 is reversed/);
  assert.equal(encodeRule(parse(String(odd), 'ipv4')), raw);
  assert.equal(encodeRule({ ...odd }), raw);
});

test('a rule that is taken as an object is also taken as text: TCP option 0 is refused', async () => {
  const strip = (stripOptions: number[]): RuleInit => ({
    protocol: 'tcp',
    target: { name: 'TCPOPTSTRIP', stripOptions },
  });
  await throws(RangeError, /rule\.target\.stripOptions\[0\]: /, () => encodeRule(strip([0])));
  assert.is(String(decodeRule(encodeRule(strip([2])))), '-p tcp -j TCPOPTSTRIP --strip-options 2');
});

test('an array is not a range', async () => {
  const list = (match: unknown): RuleInit => ({ protocol: 'tcp', matches: [match] }) as RuleInit;
  const bad = (match: unknown, path: RegExp) =>
    throws(TypeError, new RegExp(`${path.source}.*\\{ from, to \\}`), () =>
      encodeRule(list(match)),
    );
  await bad({ name: 'tcp', dport: [80, 443] }, /^rule\.matches\[0\]\.dport: /);
  await bad({ name: 'tcp', dport: { not: [80, 80] } }, /dport\.not: /);
  await bad({ name: 'multiport', dports: [[80, 443]] }, /dports\[0\]: /);
  await bad({ name: 'length', length: [1, 2] }, /length: /);
  await bad({ name: 'iprange', srcRange: ['10.0.0.1', '10.0.0.9'] }, /srcRange: /);
  await bad({ name: 'connbytes', connbytes: [1n, 2n], mode: 'bytes', dir: 'both' }, /connbytes: /);
  const same: RuleInit = {
    protocol: 'tcp',
    matches: [{ name: 'tcp', dport: { from: 80, to: 80 } }],
  };
  assert.is(String(decodeRule(encodeRule(same))), '-p tcp -m tcp --dport 80');
});

test('rules that differ only in meaningless bytes are the same', () => {
  const pairs: [Family, string, string, boolean][] = [
    [
      'ipv4',
      '-m recent --set --name SSH',
      '-m recent --set --name SSH --mask 255.255.255.255',
      true,
    ],
    ['ipv4', '-m recent --set', '-m recent --set --mask 255.255.255.0', false],
    [
      'ipv4',
      '-p tcp -m connlimit --connlimit-above 15',
      '-p tcp -m connlimit --connlimit-above 15 --connlimit-mask 32',
      true,
    ],
    [
      'ipv4',
      '-p tcp -m connlimit --connlimit-above 15',
      '-p tcp -m connlimit --connlimit-above 15 --connlimit-mask 31',
      false,
    ],
    ['ipv4', '-p icmp -m icmp --icmp-type 255/255', '-p icmp -m icmp --icmp-type any', true],
    ['ipv4', '-p icmp -m icmp --icmp-type 3/255', '-p icmp -m icmp --icmp-type 3', false],
    ['ipv4', '-i + -j ACCEPT', '-j ACCEPT', true],
    ['ipv4', '! -i + -j ACCEPT', '-j ACCEPT', false],
    ['ipv4', '-i eth+ -j ACCEPT', '-i eth0+ -j ACCEPT', false],
    ['ipv6', '-p all -j ACCEPT', '-j ACCEPT', true],
    ['ipv6', '-m frag --fragid 0:4294967295', '-m frag', true],
    ['ipv6', '-m frag ! --fragid 0:4294967295', '-m frag', false],
    ['ipv4', '-p tcp -m tcp ! --sport 0:65535', '-p tcp -m tcp', false],
    [
      'ipv4',
      '-j HMARK --hmark-tuple src --hmark-mod 2 --hmark-rnd 1',
      '-j HMARK --hmark-src-prefix 32 --hmark-mod 2 --hmark-rnd 1',
      true,
    ],
    ['ipv4', '-g there', '-j there', false],
    ['ipv4', '-j NFLOG --nflog-range 5', '-j NFLOG', true],
    ['ipv4', '-j NFLOG --nflog-size 5', '-j NFLOG', false],
    ['ipv6', '-j QUEUE', '-j NFQUEUE --queue-num 0', true],
    ['ipv6', '-j QUEUE', '-j NFQUEUE --queue-num 0 --queue-bypass', false],
    ['ipv4', '-j QUEUE', '-j NFQUEUE --queue-num 1', false],
  ];
  for (const [family, a, b, same] of pairs) {
    assert.is(sameRule(parse(a, family), parse(b, family)), same, `${a} and ${b}`);
  }
});

test.run();
