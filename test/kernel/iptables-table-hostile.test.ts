// Strings from somebody else (the owner of a container's namespace), in every place of a table that holds a string.
// restore() and iptables-restore must read the text of save() back as the same bytes. Otherwise save() must refuse,
// and name the rule.
// Backends: legacy, nft

import { readFileSync, writeFileSync } from 'node:fs';
import { XtablesError } from '../../src/errors.js';
import type { Iptables } from '../../src/iptables/iptables.js';
import { parseRule } from '../../src/iptables/rule/text.js';
import type { Match, RuleInit, Target } from '../../src/iptables/rule/types.js';
import { saveTable } from '../../src/iptables/table/save.js';
import type { Table } from '../../src/iptables/table/table.js';
import { bytesToText, textToBytes } from '../../src/iptables/text/encoding.js';
import { splitEntry } from '../../src/iptables/xtables/entry.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { declaredNames, here } from '../support/backend-differences.js';
import { assert, suite, throws } from '../support/harness.js';
import { difference } from '../support/iptables-kernel.js';
import {
  families,
  load,
  openTables,
  reset,
  restoreCommand,
  saveCommand,
  saved,
} from '../support/iptables-tables.js';
import { run } from '../support/process.js';

const test = suite('hostile strings in tables');

/** Strings for names and comments. */
const hostile = [
  'ACC"EPT"',
  '"',
  '""',
  'a b',
  ' a',
  'a ',
  ' ',
  '\\',
  'a\\',
  '\\"',
  '\\n',
  "it's",
  "'",
  '$x`y`',
  '-x',
  '--',
  '-j',
  '!',
  '',
  '\t',
  'a\tb',
  'a\rb',
  'a\r',
  '\v',
  '\x01\x7f',
  'é☂',
  'x\udcffy',
  '\udce9',
  '\udcc3',
  'a\nb',
  '\n',
  '#x',
  'x#',
  ',',
  'a,b',
  '-j ACCEPT',
  'x" -j ACCEPT',
  '|41|',
  '\u00a0',
  '\u2028',
  '+',
  'x+',
  '[1:2]',
  'COMMIT',
  '*nat',
  ':x',
  '--raw-payload',
  '%s',
];

/** A rule with a string in the place of `ZZ`. */
interface Place {
  table: string;
  rule: string;
  /** The most bytes that fit. */
  max: number;
}

const places: Place[] = [
  { table: 'filter', rule: '-m comment --comment ZZ', max: 255 },
  { table: 'filter', rule: '-m string --algo bm --string ZZ', max: 100 },
  { table: 'filter', rule: '-m recent --set --mask 255.255.255.255 --name ZZ', max: 199 },
  { table: 'filter', rule: '-m hashlimit --hashlimit-upto 1/s --hashlimit-name ZZ', max: 200 },
  { table: 'filter', rule: '-m helper --helper ZZ', max: 29 },
  { table: 'filter', rule: '-m physdev --physdev-in ZZ', max: 15 },
  { table: 'filter', rule: '-m physdev --physdev-out ZZ --physdev-is-bridged', max: 15 },
  { table: 'filter', rule: '-p tcp -m osf --genre ZZ', max: 31 },
  { table: 'filter', rule: '-m cgroup --path ZZ', max: 31 },
  { table: 'filter', rule: '-m bpf --object-pinned ZZ', max: 31 },
  { table: 'filter', rule: '-m nfacct --nfacct-name ZZ', max: 31 },
  { table: 'filter', rule: '-m rateest --rateest ZZ --rateest-lt --rateest-bps1 1', max: 15 },
  { table: 'filter', rule: '-j LOG --log-prefix ZZ', max: 29 },
  { table: 'filter', rule: '-j NFLOG --nflog-prefix ZZ', max: 63 },
  { table: 'filter', rule: '-j IDLETIMER --timeout 5 --label ZZ', max: 27 },
  {
    table: 'mangle',
    rule: '-j RATEEST --rateest-name ZZ --rateest-interval 250ms --rateest-ewmalog 1s',
    max: 15,
  },
  { table: 'mangle', rule: '-j TEE --gateway 10.0.0.1 --oif ZZ', max: 15 },
  { table: 'raw', rule: '-p tcp -j CT --helper ZZ', max: 15 },
  { table: 'raw', rule: '-p tcp -j CT --timeout ZZ', max: 31 },
];

/** The rule with other bytes in the place of the placeholder. They bypass all checks. */
function withString(place: Place, text: string): RuleInit | undefined {
  const wanted = textToBytes(text);
  if (wanted.length > place.max) return undefined;
  const length = Math.max(1, wanted.length);
  const mark = 'Z'.repeat(length);
  const init = parseRule(place.rule.replace('ZZ', mark));
  const { matches, target } = splitEntry(encodeRule(init), 'ipv4');
  const bytesOf = ({ name, revision, payload }: typeof target) => {
    const data = Buffer.from(payload);
    const at = data.indexOf(mark);
    if (at < 0) return undefined;
    data.fill(0, at, at + length);
    data.set(wanted, at);
    return { name: 'raw', extension: name, revision, data } as const;
  };
  const result = {
    ...init,
    matches: (init.matches ?? []).map((each, i): Match => bytesOf(matches[i]!) ?? each),
  };
  const changed = bytesOf(target);
  return changed === undefined ? result : { ...result, target: changed as Target };
}

interface Held {
  chain: string;
  index: number;
  bytes: Uint8Array;
}

async function held(ipt: Iptables, table: string): Promise<Held[]> {
  const read = await ipt.read(table);
  return [...read.chains.values()].flatMap((chain) =>
    chain.rules.map((rule, index) => ({ chain: chain.name, index, bytes: encodeRule(rule) })),
  );
}

/** Asserts that the table has not changed. */
async function unchanged(ipt: Iptables, table: string, before: Held[], how: string): Promise<void> {
  const now = await held(ipt, table);
  assert.is(now.length, before.length, how);
  for (const [i, { chain, index, bytes }] of before.entries()) {
    assert.equal([now[i]!.chain, now[i]!.index], [chain, index], how);
    const told = difference(ipt.family, bytes, now[i]!.bytes);
    assert.is(told, undefined, `${how}: rule ${index} of chain ${chain}: ${told}`);
  }
}

const empty = (table: string) => `*${table}\nCOMMIT\n`;

/** Takes the text of save() through restore(), and through iptables-restore. */
async function roundTrip(ipt: Iptables, table: string, how: string): Promise<void> {
  const before = await held(ipt, table);
  const path = `/run/hostile-${process.pid}`;
  writeFileSync(path, await ipt.save({ tables: [table] }));
  const bytes = await ipt.save({ tables: [table], as: 'bytes' });
  await ipt.restore(empty(table));
  await ipt.restore(readFileSync(path));
  await unchanged(ipt, table, before, `${how}, text`);
  await ipt.restore(empty(table));
  await ipt.restore(readFileSync(path, 'utf8'));
  await unchanged(ipt, table, before, `${how}, text as a string`);
  await ipt.restore(empty(table));
  await ipt.restore(bytes);
  await unchanged(ipt, table, before, `${how}, bytes`);
  // Only this package can read the text of raw parts.
  const isRaw = (each: { name: string } | undefined) => each?.name === 'raw';
  await ipt.edit(table, (edit) => {
    for (const name of edit.chains) {
      edit.chain(name).deleteWhere((rule) => rule.matches.some(isRaw) || isRaw(rule.target));
    }
  });
  const typed = await held(ipt, table);
  writeFileSync(path, await ipt.save({ tables: [table], as: 'bytes' }));
  await ipt.restore(empty(table));
  run(['sh', '-c', `${restoreCommand(ipt.family)} < ${path}`]);
  await unchanged(ipt, table, typed, `${how}, iptables-restore`);
  assert.ok(typed.length >= before.length - 6, `${how}: ${before.length - typed.length} are raw`);
}

/** Deletes the rules and chains that save() refuses; its error must name each. Returns their names. */
async function weed(ipt: Iptables, table: string): Promise<string[]> {
  const gone: string[] = [];
  for (;;) {
    try {
      await ipt.save({ tables: [table], as: 'bytes' });
      return gone;
    } catch (error) {
      assert.ok(error instanceof XtablesError, String(error));
      assert.is(error.code, 'ERR_NETFILTER_NO_TEXT', error.message);
      const named = /\(rule (\d+) of chain "(c\d+)": /.exec(error.message);
      assert.ok(named, error.message);
      const text = hostile[Number(named[2]!.slice(1))]!;
      if (text.includes('\n')) assert.match(error.message, /: a line break ends its line\)/);
      await throws(XtablesError, /ERR_NETFILTER_NO_TEXT/, () => ipt.save({ tables: [table] }));
      await ipt.edit(table, (edit) => {
        edit.chain(named![2]!).flush();
      });
      gone.push(text);
    }
  }
}

test('every string of a match or a target', async () => {
  reset();
  const ipt = openTables();
  const refused: Record<string, string[]> = {};
  for (const place of places) {
    await ipt.restore(empty(place.table));
    let taken = 0;
    for (const [i, text] of hostile.entries()) {
      const rule = withString(place, text);
      if (rule === undefined) continue;
      try {
        await ipt.edit(place.table, (edit) => edit.newChain(`c${i}`).append(rule));
        taken++;
      } catch (error) {
        // The kernel does not take every name. Some must name existing objects.
        assert.ok(error instanceof XtablesError, `${place.rule} ${JSON.stringify(text)}: ${error}`);
      }
    }
    refused[place.rule] = await weed(ipt, place.table);
    await roundTrip(ipt, place.table, place.rule);
    const named = /nfacct|rateest ZZ|bpf|cgroup|--helper ZZ|--timeout ZZ/.test(place.rule);
    assert.ok(taken > (named ? -1 : 15), `the kernel takes ${taken} of ${place.rule}`);
    await ipt.restore(empty(place.table));
  }
  // None of these is refused: a string that no option can express is printed as bytes.
  assert.equal(refused['-m comment --comment ZZ'], []);
  assert.equal(refused['-j LOG --log-prefix ZZ'], []);
  assert.equal(refused['-m string --algo bm --string ZZ'], []);
  await ipt.close();
});

const escaped = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;

test('names of chains and interfaces', async () => {
  reset();
  for (const family of families) {
    const ipt = openTables({ family });
    const all = hostile.filter((text) => text !== '' && !/[\s]/.test(text));
    const names = all.filter((name) => here(declaredNames).test(name));
    const lines = names.flatMap((name) => [
      `-A INPUT -j ${escaped(name)}`,
      `-A OUTPUT -g ${escaped(name)}`,
      `-A ${escaped(name)} -j ACCEPT`,
    ]);
    const interfaces = hostile.filter((text) => text !== '' && !text.includes('\n'));
    for (const name of interfaces) {
      // A plain "+" means any interface, so iptables-save leaves it out.
      if (name !== '+') lines.push(`-A FORWARD -i ${escaped(name)} -j DROP`);
      lines.push(`-A FORWARD ! -o ${escaped(name)} ! -i ${escaped(name)} -j DROP`);
    }
    const text = `*filter\n${names.map((name) => `:${name} - [0:0]\n`).join('')}${lines.join('\n')}\nCOMMIT\n`;
    writeFileSync('/run/hostile-names', textToBytes(text));
    run(['sh', '-c', `${restoreCommand(family)} < /run/hostile-names`]);
    const before = await held(ipt, 'filter');
    assert.is(before.length, lines.length);
    // restore() reads such a text in the same way.
    await ipt.restore(empty('filter'));
    await ipt.restore(readFileSync('/run/hostile-names'));
    await unchanged(ipt, 'filter', before, 'restore');
    // Names that are not UTF-8 have no text, only bytes.
    await throws(XtablesError, /chain ".*": a name that is not UTF-8/, () =>
      ipt.save({ tables: ['filter'] }),
    );
    const bytes = await ipt.save({ tables: ['filter'], as: 'bytes' });
    await ipt.restore(empty('filter'));
    await ipt.restore(bytes);
    await unchanged(ipt, 'filter', before, 'bytes');
    writeFileSync('/run/hostile-names', bytes);
    await ipt.restore(empty('filter'));
    run(['sh', '-c', `${restoreCommand(family)} < /run/hostile-names`]);
    await unchanged(ipt, 'filter', before, 'iptables-restore');
    // A text without such names can be restored.
    const odd = /[\ud800-\udfff]/u;
    await ipt.edit('filter', (edit) => {
      for (const name of ['INPUT', 'OUTPUT', 'FORWARD']) {
        edit.chain(name).deleteWhere((rule) => odd.test(String(rule)));
      }
      for (const name of edit.chains) {
        if (!odd.test(name)) continue;
        edit.chain(name).flush();
        edit.deleteChain(name);
      }
    });
    await roundTrip(ipt, 'filter', family);
    // The package takes every name, also where the tool does not.
    const declared = all.map((name) => `:${name} - [0:0]\n-A INPUT -j ${escaped(name)}\n`).join('');
    await ipt.restore(textToBytes(`*filter\n${declared}COMMIT\n`));
    const every = await held(ipt, 'filter');
    assert.is(every.length, all.length);
    await ipt.restore(await ipt.save({ tables: ['filter'], as: 'bytes' }));
    await unchanged(ipt, 'filter', every, 'all names');
    await ipt.restore(empty('filter'));
    await ipt.close();
  }
});

test('a chain whose name cannot stand in a line with a colon', async () => {
  for (const name of ['a b', 'a\tb', 'x\r', 'a\nb', '\v']) {
    const chain = { name, builtin: false, policy: undefined, counters: undefined, rules: [] };
    const table = { name: 'filter', family: 'ipv4', chains: new Map([[name, chain]]) };
    const error = await throws(XtablesError, /white space ends a name/, () =>
      saveTable(table as unknown as Table, { counters: false, asBytes: true, dated: false }),
    );
    assert.is(error.code, 'ERR_NETFILTER_NO_TEXT');
    assert.ok(error.message.includes(JSON.stringify(name)), error.message);
  }
});

test('the output of iptables-save, as bytes', async () => {
  reset();
  const ipt = openTables();
  // Latin 1, and a character that is cut in the middle.
  const latin = bytesToText(Uint8Array.of(0x63, 0x61, 0x66, 0xe9, 0x20, 0xe2, 0x98));
  const text = `*filter\n:c - [0:0]\n-A c -m comment --comment "${latin}" -j LOG --log-prefix "${latin}"\n-A c -m comment --comment "é" -j RETURN\nCOMMIT\n`;
  await ipt.restore(textToBytes(text));
  const theirs = run([
    'sh',
    '-c',
    `${saveCommand('ipv4')} -t filter | od -An -v -tx1 | tr -d " \\n"`,
  ]);
  const bytes = Buffer.from(theirs, 'hex');
  assert.ok(bytes.includes(Buffer.from(textToBytes(`"${latin}"`))));
  const before = await held(ipt, 'filter');
  await ipt.restore(empty('filter'));
  await ipt.restore(bytes);
  await unchanged(ipt, 'filter', before, "iptables-save's bytes");
  const withoutComments = (all: Uint8Array) =>
    bytesToText(all)
      .split('\n')
      .filter((line) => !line.startsWith('#'));
  const ours = await ipt.save({ tables: ['filter'], as: 'bytes' });
  assert.equal(withoutComments(ours), withoutComments(bytes));
  await roundTrip(ipt, 'filter', 'latin');
  // The text is always valid Unicode, whatever the bytes are.
  const saving = await ipt.save({ tables: ['filter'] });
  assert.not.match(saving, /[\ud800-\udfff]/u);
  assert.match(saving, /-A c -m comment --comment "é" -j RETURN/);
  load('ipv4', empty('filter'));
  assert.not.match(saved('ipv4'), /-A c/);
  await ipt.close();
});

test.run();
