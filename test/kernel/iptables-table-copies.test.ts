// Copies of rules, chains and tables, in every way that programs copy. A copy of a rule means the same rule, never a
// wider one. Copies of chains and tables have everything that the originals show.
// Backends: legacy, nft
import { deepStrictEqual, notDeepStrictEqual } from 'node:assert';
import { inspect } from 'node:util';
import type { Iptables } from '../../src/iptables/iptables.js';
import { hex } from '../../src/iptables/rule/print.js';
import { Rule, type RuleInit } from '../../src/iptables/rule/rule.js';
import { formatRule, sameRule } from '../../src/iptables/rule/text.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite, throws } from '../support/harness.js';
import { families, loadCounted, openTables, reset, saved } from '../support/iptables-tables.js';
import { copiers } from '../support/rule-copies.js';

const test = suite('copies of iptables rules');

const address = { ipv4: '10.0.0.0/8', ipv6: '2001:db8::/32' };
const texts = (family: 'ipv4' | 'ipv6') => [
  `[3:4] -A INPUT -s ${address[family]} -p tcp -m tcp --dport 80 -j DROP`,
  `[0:0] -A INPUT ! -d ${address[family]} ! -i eth+ -j ACCEPT`,
  '[5:6] -A INPUT -m quota --quota 18446744073709551615 -j RETURN',
  '[0:0] -A INPUT -m connbytes --connbytes 18446744073709551614 --connbytes-mode bytes --connbytes-dir both -j LOG --log-prefix "a \\"b\\" "',
  '[0:0] -A INPUT -m comment --comment "kept \\\\ as it is" -j two',
  '[0:0] -A INPUT -g two',
  '[0:0] -A INPUT -m limit --limit 7/hour',
  '[0:0] -A INPUT',
];
const table = (family: 'ipv4' | 'ipv6') =>
  ['*filter', ':two - [0:0]', ...texts(family), 'COMMIT', ''].join('\n');

async function rulesOf(ipt: Iptables): Promise<readonly Rule[]> {
  return (await ipt.read()).chain('INPUT').rules;
}

test('replacing a rule by its copy does not change the table', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    await loadCounted(family, table(family));
    const before = saved(family, { counters: true });
    for (const [way, copy] of Object.entries(copiers)) {
      await ipt.edit('filter', (t) => {
        const input = t.chain('INPUT');
        for (let i = 0; i < input.length; i++) {
          input.replace(i, copy(input.rules[i]!) as RuleInit);
        }
      });
      assert.is(saved(family, { counters: true }), before, way);
      const { length } = await rulesOf(ipt);
      await ipt.edit('filter', (t) => {
        const input = t.chain('INPUT');
        const copies = input.rules.map((rule) => copy(rule) as RuleInit);
        copies.forEach((each, i) => {
          assert.is(input.indexOf(each), i, way);
        });
        input.flush().appendAll(copies);
      });
      assert.is((await rulesOf(ipt)).length, length);
      assert.is(saved(family, { counters: true }), before, `${way}, all at once`);
    }
  }
});

test('a copy with the prototype of the rule gives the same values', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    await loadCounted(family, table(family));
    for (const rule of await rulesOf(ipt)) {
      const copy: Rule = Object.assign(Object.create(Rule.prototype), rule);
      assert.is(String(copy), String(rule));
      assert.equal(copy.toJSON(), rule.toJSON());
      assert.equal(copy.with(), rule.with());
      assert.is(inspect(copy), inspect(rule));
      assert.equal(copy.warnings, rule.warnings);
      // If no field shows its family, it is an IPv4 rule.
      if (copy.family === family)
        assert.is(hex(encodeRule(copy, { family })), hex(encodeRule({ ...rule }, { family })));
      else assert.not.ok([rule.src, rule.dst].some((given) => given !== undefined));
    }
  }
});

test('a copy with another target keeps its conditions', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    await loadCounted(family, `*filter\n${texts(family)[0]}\nCOMMIT\n`);
    for (const [way, copy] of Object.entries(copiers)) {
      await ipt.edit('filter', (t) => {
        const chain = t.chain('INPUT');
        const rule = copy(chain.rules[0]!) as RuleInit;
        chain.replace(0, { ...rule, target: { name: 'ACCEPT' } });
      });
      const [rule] = await rulesOf(ipt);
      assert.is(String(rule), `-s ${address[family]} -p tcp -m tcp --dport 80 -j ACCEPT`, way);
      assert.equal(rule!.counters, { packets: 3n, bytes: 4n });
    }
  }
});

/** Objects with a rule's prototype but not its fields. As a rule without conditions they would match everything. */
const hollow: Record<string, (rule: Rule) => unknown> = {
  'a rule behind it': (rule) => Object.create(rule),
  'its prototype alone': () => Object.create(Rule.prototype),
  'its prototype and a target': () =>
    Object.assign(Object.create(Rule.prototype), { target: { name: 'DROP' } }),
  'a copy without its matches': ({ matches: _, ...rest }) =>
    Object.assign(Object.create(Rule.prototype), rest),
  'a copy without its counters': ({ counters: _, ...rest }) =>
    Object.assign(Object.create(Rule.prototype), rest),
  'a copy behind it': (rule) => Object.create(Object.assign(Object.create(Rule.prototype), rule)),
  'a proxy of the prototype': () => new Proxy(Object.create(Rule.prototype) as object, {}),
};

test('an object that has only the prototype of a rule is not a rule', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    await loadCounted(family, table(family));
    const before = saved(family, { counters: true });
    for (const [way, make] of Object.entries(hollow)) {
      await ipt.edit('filter', (t) => {
        const input = t.chain('INPUT');
        const given = make(input.rules[0]!) as RuleInit;
        for (const call of [
          () => input.append(given),
          () => input.appendAll([given]),
          () => input.insert(given),
          () => input.replace(0, given),
          () => input.delete(given),
          () => input.has(given),
          () => input.indexOf(given),
          () => formatRule(given),
          () => sameRule(given, input.rules[0]!),
          () => String(given),
          () => (given as Rule).family,
          () => (given as Rule).line,
        ]) {
          assert.throws(
            call,
            (error: Error) =>
              error instanceof TypeError &&
              /: expected a rule, or a whole copy of one/.test(error.message),
          );
        }
      });
      assert.is(saved(family, { counters: true }), before, way);
    }
  }
});

test('rules are deeply equal only if they are equal rules', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    await loadCounted(family, table(family));
    const [one, other] = [await rulesOf(ipt), await rulesOf(ipt)];
    one.forEach((rule, i) => {
      other.forEach((each, k) => {
        if (i === k) deepStrictEqual(rule, each);
        else notDeepStrictEqual(rule, each);
      });
      assert.match(inspect(rule), /^Rule \{\n? +\w+: /);
    });
  }
});

test('a rule that was read cannot be changed', async () => {
  await using ipt = openTables();
  reset();
  await loadCounted('ipv4', table('ipv4'));
  const [rule] = (await rulesOf(ipt)) as unknown as [Record<string, Record<string, unknown>>];
  await throws(TypeError, /read only/, () => {
    rule.src = {};
  });
  await throws(TypeError, /not extensible/, () => {
    rule.out = {};
  });
  await throws(TypeError, /read only/, () => {
    rule.counters!.packets = 0n;
  });
  await throws(TypeError, /delete/, () => {
    delete rule.src;
  });
});

test('copies of chains and tables have all visible fields', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    await loadCounted(family, table(family));
    const filter = await ipt.read();
    const chain = filter.chain('INPUT');
    const json = JSON.parse(JSON.stringify(filter));
    assert.equal(json, JSON.parse(JSON.stringify({ ...filter })));
    assert.equal(
      json.chains.map((each: { name: string }) => each.name),
      [...filter.chains.keys()],
    );
    assert.equal(json.chains[0], JSON.parse(JSON.stringify(chain)));
    for (const copy of [{ ...chain }, structuredClone(chain), Object.assign({}, chain)]) {
      assert.equal(Object.keys(copy), Object.keys(chain));
      assert.equal(
        copy.rules.map((rule) => ({ ...rule })),
        chain.rules.map((rule) => ({ ...rule })),
      );
    }
    assert.equal(structuredClone(filter).chains.get('INPUT')!.length, chain.length);
    assert.match(inspect(chain, { depth: 0 }), /^Chain \{(?:.|\n)*rules: \[Array\]/);
    const rules: RuleInit[] = json.chains[0].rules;
    await ipt.edit('filter', (t) => {
      t.chain('INPUT').flush().appendAll(rules);
    });
    deepStrictEqual((await ipt.read()).chain('INPUT').rules, chain.rules);
  }
});

test.run();
