// Inputs that an edit takes or refuses: rules that would be wider than they look, functions that do their work too
// late, and error codes that a program can test. Objects count as they are at the time of the call.
// Backends: legacy, nft
import { TableError } from '../../src/errors.js';
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import { formatRule } from '../../src/iptables/rule/text.js';
import { assert, suite, throws } from '../support/harness.js';
import {
  families,
  iptables,
  load,
  openTables,
  packets,
  reset,
  saved,
} from '../support/iptables-tables.js';

const test = suite('what edits of iptables tables take');

class Given {
  target = { name: 'DROP' };
  get src() {
    return '10.0.0.1';
  }
}
const drop = { target: { name: 'DROP' } };
const bare = (fields: object) => Object.assign(Object.create(null), fields) as object;
const holes: unknown[] = [];
holes[1] = { name: 'mark', mark: 1 };

/** Each would be wider than it looks. It is refused with the path of the wrong field. */
const widening: [unknown, RegExp][] = [
  [{ ...drop, src: undefined }, /^\w+(\[\d\])?\.src: is undefined/],
  [{ ...drop, matches: undefined }, /\.matches: is undefined/],
  [{ src: '10.0.0.1', target: undefined }, /\.target: is undefined/],
  [{ ...drop, scr: '10.0.0.1' }, /\.scr: there is no such field/],
  [bare({ ...drop, scr: '10.0.0.1' }), /\.scr: there is no such field/],
  [new Given(), /of no class/],
  [
    Object.create({ src: '10.0.0.1' }, { target: { value: drop.target, enumerable: true } }),
    /class/,
  ],
  [Object.defineProperty({ ...drop }, 'src', { value: '10.0.0.1' }), /\.src: is not enumerable/],
  [{ ...drop, src: { not: undefined } }, /\.src\.not: is undefined/],
  [{ ...drop, src: { not: '10.0.0.1', or: '10.0.0.2' } }, /\.src\.or: there is no such field/],
  [{ ...drop, matches: [{ name: 'mark', mark: 1, invert: true }] }, /\.invert: .*no such field/],
  [
    { ...drop, matches: [{ name: 'mark', mark: { value: 1, mask: 2, not: 3 } }] },
    /mark\.\w+: there is no/,
  ],
  [
    { ...drop, matches: [{ name: 'mark', mark: { not: 1, mask: 2 } }] },
    /mark\.mask: there is no such/,
  ],
  [
    { ...drop, matches: [{ name: 'mark', mark: { value: 1, mask: 2, maks: 3 } }] },
    /mark\.maks: there is/,
  ],
  [{ ...drop, matches: [{ name: 'comment', comment: undefined }] }, /\[0\]\.comment: is undefined/],
  [{ ...drop, matches: holes }, /\.matches\[0\]: is missing/],
  [{ target: { name: 'DROP', chain: 'x' } }, /\.target\.chain: there is no such field/],
  [
    { target: { name: 'jump', chain: 'two', goto: true } },
    /\.target\.goto: there is no such field/,
  ],
  [
    { target: { name: 'raw', extension: 'X', revision: 0, data: [0] } },
    /\.data: expected a Uint8Array/,
  ],
  [
    { target: { name: 'raw', extension: 'X', revision: 0, data: { 0: 1 } } },
    /\.data: expected a Uint8/,
  ],
  [
    { ...drop, counters: { packets: 1n, bytes: 1n, octets: 1n } },
    /\.octets: there is no such field/,
  ],
  [{ ...drop, counters: { packets: '-1', bytes: 1n } }, /\.counters\.packets: expected a bigint/],
  [{ ...drop, inexact: 'a mask of in' }, /\.inexact: the rule that this is a copy of/],
  [{ ...drop, ['__proto__']: { src: '10.0.0.1' } }, /__proto__|class/],
];

test('fields that would make a rule wider are refused in every call that takes a rule', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    load(family, '*filter\n:two - [0:0]\n-A INPUT -j two\nCOMMIT\n');
    const before = saved(family);
    for (const [rule, message] of widening) {
      const calls: ((t: TableEdit, rule: never) => unknown)[] = [
        (t, rule) => t.chain('INPUT').append(rule),
        (t, rule) => t.chain('INPUT').appendAll(['-j two', rule]),
        (t, rule) => t.chain('INPUT').insert(rule),
        (t, rule) => t.chain('INPUT').replace(0, rule),
        (t, rule) => t.chain('INPUT').delete(rule),
        (t, rule) => t.chain('INPUT').has(rule),
      ];
      for (const call of calls) {
        const edit = (t: TableEdit) => call(t, rule as never);
        const error = await throws(Error, message, () => ipt.edit('filter', edit));
        assert.ok(error instanceof TypeError || error instanceof RangeError);
      }
      await throws(Error, message, () => formatRule(rule as never));
    }
    await throws(TypeError, /^rules\[1\]: is missing/, () =>
      ipt.edit(
        'filter',
        (t) => void t.chain('INPUT').appendAll(Object.assign(['-j two'], { 2: 'x' })),
      ),
    );
    await throws(TypeError, /^change\.src: is undefined/, () =>
      ipt.edit('filter', (t) => t.chain('INPUT').rules[0]!.with({ src: undefined as never })),
    );
    assert.is(saved(family), before);
  }
});

test('a getter is read once, and its value is written', async () => {
  await using ipt = openTables();
  reset();
  let asked = 0;
  const rule = {
    get src() {
      return asked++ === 0 ? '10.0.0.1' : '0.0.0.0/0';
    },
    ...{ target: { name: 'DROP' as const } },
  };
  await ipt.edit('filter', (t) => void t.chain('INPUT').append(rule));
  assert.is(asked, 1);
  assert.match(saved('ipv4'), /^-A INPUT -s 10\.0\.0\.1\/32 -j DROP$/m);
});

test('changes of objects after the call have no effect', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    const target: { name: 'MARK'; setXmark: { value: number; mask: number } } = {
      name: 'MARK',
      setXmark: { value: 1, mask: 3 },
    };
    const rule: Record<string, unknown> = {
      protocol: 'tcp',
      matches: [{ name: 'tcp', dport: 1 }],
      target,
    };
    await ipt.edit('mangle', (t) => {
      const chain = t.chain('INPUT').append(rule as never);
      target.setXmark.value = 2;
      delete rule.protocol;
      (rule.matches as unknown[]).length = 0;
      // These make new rules from the given ones: one with zero counters, and a copy.
      chain.zero(0);
      chain.replace(0, chain.rules[0]!, { keepCounters: true });
    });
    assert.match(
      saved(family, { table: 'mangle' }),
      /^-A INPUT -p tcp -m tcp --dport 1 -j MARK --set-xmark 0x1\/0x3$/m,
    );
    const options = { lockTimeout: 1000 };
    const edit = ipt.edit('filter', (t) => void t.chain('INPUT').append('-j ACCEPT'), options);
    options.lockTimeout = -1;
    await edit;
  }
});

test('the code of an error says why an edit failed', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    load(
      family,
      '*filter\n:one - [0:0]\n:two - [0:0]\n-A INPUT -j one\n-A two -j ACCEPT\nCOMMIT\n',
    );
    const cases: [string, (t: TableEdit) => unknown][] = [
      ['NO_CHAIN', (t) => t.chain('three')],
      ['NO_CHAIN', (t) => t.deleteChain('three')],
      ['NO_CHAIN', (t) => t.renameChain('three', 'four')],
      ['CHAIN_EXISTS', (t) => t.newChain('one')],
      ['CHAIN_EXISTS', (t) => t.newChain('INPUT')],
      ['CHAIN_EXISTS', (t) => t.renameChain('one', 'two')],
      ['CHAIN_NOT_EMPTY', (t) => t.deleteChain('two')],
      ['CHAIN_REFERENCED', (t) => t.deleteChain('one')],
      ['CHAIN_BUILTIN', (t) => t.deleteChain('INPUT')],
      ['CHAIN_BUILTIN', (t) => t.renameChain('INPUT', 'three')],
      ['CHAIN_NAME', (t) => t.newChain('x'.repeat(29))],
      ['CHAIN_NAME', (t) => t.newChain('DROP')],
      ['CHAIN_NAME', (t) => t.newChain('LOG')],
      ['CHAIN_NAME', (t) => t.newChain('a b')],
      ['NO_RULE', (t) => t.chain('INPUT').delete(1)],
      ['NO_RULE', (t) => t.chain('INPUT').insert('-j ACCEPT', 2)],
      ['NO_RULE', (t) => t.chain('one').replace(0, '-j ACCEPT')],
      ['NO_RULE', (t) => t.chain('INPUT').move(0, 1)],
      ['NO_RULE', (t) => t.chain('INPUT').zero(-1)],
    ];
    for (const [code, edit] of cases) {
      const error = await throws(TableError, /: /, () => ipt.edit('filter', edit));
      assert.is(error.code, `ERR_NETFILTER_${code}`);
      assert.instance(error, RangeError);
    }
    const table = await ipt.read();
    const error = await throws(TableError, /three/, () => table.chain('three'));
    assert.is(error.code, 'ERR_NETFILTER_NO_CHAIN');
  }
});

test('a function that would do its work later is refused, and nothing is written', async () => {
  await using ipt = openTables();
  reset();
  const append = (t: TableEdit) => t.chain('INPUT').append('-j ACCEPT');
  const late: ((t: TableEdit) => unknown)[] = [
    function* (t) {
      yield append(t);
    },
    async function* (t) {
      yield append(t);
    },
    async (t) => append(t),
    (t) =>
      (function* () {
        yield append(t);
      })(),
    (t) =>
      (async function* () {
        yield append(t);
      })(),
    (t) => Promise.resolve(append(t)),
  ];
  for (const edit of late) {
    await throws(TypeError, /^edit: the function must do its work/, () => ipt.edit('filter', edit));
  }
  // An async function is not even called.
  let called = false;
  const never = async () => {
    called = true;
  };
  await throws(TypeError, /^edit: the function must do its work/, () => ipt.edit('filter', never));
  assert.is(called, false);
  assert.not.match(saved('ipv4'), /ACCEPT$/m);
});

test('deleteWhere keeps rules that its function appends, and refuses other changes of the chain', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    load(family, '*filter\n-A INPUT -p tcp\n-A INPUT -p udp\nCOMMIT\n');
    const deleted = await ipt.edit('filter', (t) => {
      const input = t.chain('INPUT');
      return input.deleteWhere((rule) => {
        if (rule.protocol === 'tcp') input.append('-p sctp');
        return rule.protocol === 'tcp';
      });
    });
    assert.is(deleted, 1);
    const rules = (await ipt.read()).chain('INPUT').rules.map(String);
    assert.equal(rules, ['-p udp', '-p sctp']);
    const meddling: ((t: TableEdit) => unknown)[] = [
      (t) => t.chain('INPUT').insert('-p esp'),
      (t) => t.chain('INPUT').delete(0),
      (t) => t.chain('INPUT').zero(0),
    ];
    for (const meddle of meddling) {
      await throws(TypeError, /^deleteWhere: the function may add rules/, () =>
        ipt.edit('filter', (t) =>
          t.chain('INPUT').deleteWhere(() => {
            meddle(t);
            return true;
          }),
        ),
      );
    }
  }
});

test('an abort inside the edit function: nothing is written, and the lock is free', async () => {
  await using ipt = openTables();
  reset();
  const controller = new AbortController();
  const reason = new Error('enough');
  const edit = ipt.edit(
    'filter',
    (t) => {
      t.chain('INPUT').append('-j ACCEPT');
      controller.abort(reason);
    },
    { signal: controller.signal },
  );
  assert.is(await throws(Error, /enough/, () => edit), reason);
  assert.not.match(saved('ipv4'), /-A INPUT/);
  iptables('ipv4', '-A', 'INPUT', '-j', 'DROP');
  await packets('ipv4', 0);
});

test.run();
