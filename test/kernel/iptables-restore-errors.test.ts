// Errors of restore() for missing objects and refused rules. The message names the line and the object, and stays
// short. The event loop keeps turning while restore() works on a long text.
// Backends: legacy, nft
import { NetfilterError, UnsupportedError, XtablesError } from '../../src/errors.js';
import type { Iptables } from '../../src/iptables/iptables.js';
import { mostRules } from '../../src/iptables/rule/address-lists.js';
import { formatRule, parseRule, parseRules } from '../../src/iptables/rule/text.js';
import {
  here,
  loopCode,
  manyRules,
  missingObjects,
  testAsksKernel,
} from '../support/backend-differences.js';
import { assert, suite, throws } from '../support/harness.js';
import { load, openTables, reset, saved } from '../support/iptables-tables.js';
import { run } from '../support/process.js';

const test = suite('errors of restore');

const filter = (...lines: string[]) => `*filter\n${lines.join('\n')}\nCOMMIT\n`;
const raw = (...lines: string[]) => `*raw\n${lines.join('\n')}\nCOMMIT\n`;

/** restore() refuses the text and changes nothing. With `both`, a restore with `test: true` refuses it too. */
async function refuses<E extends Error>(
  ipt: Iptables,
  kind: new (...args: never[]) => E,
  message: RegExp,
  text: string,
  both = true,
): Promise<void> {
  const before = saved('ipv4', { counters: true });
  for (const test of both ? [true, false] : [false]) {
    await throws(kind as new () => E, message, () => ipt.restore(text, { noflush: true, test }));
  }
  assert.is(saved('ipv4', { counters: true }), before, text);
}

test('missing sets, chains, targets and extensions', async () => {
  reset();
  load('ipv4', raw('-A OUTPUT -j ACCEPT') + filter(':INPUT ACCEPT [0:0]'));
  const ipt = openTables();
  run(['ipset', 'create', 'here', 'hash:ip']);
  run(['ipset', 'create', 'six', 'hash:ip', 'family', 'inet6']);
  await refuses(
    ipt,
    RangeError,
    /^line 4: set "gone": the kernel has no set of that name; the line: "-A INPUT -m set --match-set gone src"$/,
    filter(
      '-A INPUT',
      '-A INPUT -m set --match-set here src',
      '-A INPUT -m set --match-set gone src',
    ),
  );
  await refuses(
    ipt,
    RangeError,
    /^line 3: set "six": it holds IPv6 addresses, .*the line: /,
    filter('-A INPUT -j DROP', '-A INPUT -j SET --add-set six src'),
  );
  await refuses(
    ipt,
    RangeError,
    /^line 3: -j NOSUCH: table filter has no such chain, and neither this package nor the kernel has a target of that name; the line: "-p tcp -A INPUT -j NOSUCH"$/,
    filter('-A INPUT -j DROP', '-p tcp -A INPUT -j NOSUCH'),
  );
  await refuses(
    ipt,
    RangeError,
    /^line 2: -g nosuch: table filter has no such chain; the line: /,
    filter('-A INPUT -g nosuch'),
  );
  await refuses(
    ipt,
    RangeError,
    /^line 2: -j INPUT: it is a built-in chain, no rule can jump to it; the line: /,
    filter('-A FORWARD -j INPUT'),
  );
  await refuses(
    ipt,
    RangeError,
    /^line 2: -g LOG: LOG is a target, .*the line: "-A INPUT -g LOG"$/,
    filter('-A INPUT -g LOG'),
  );
  await refuses(
    ipt,
    RangeError,
    /^line 2: rule: -m: expected a match of ipv4, got "nosuch"; the line: /,
    filter('-A INPUT -m nosuch'),
  );
  // This kernel was built without it. A restore with `test: true` notices that too.
  await refuses(
    ipt,
    UnsupportedError,
    /^line 3: .*the kernel has no target LED of revision 0.*the line: "-A INPUT -j LED/,
    filter('-A INPUT -j DROP', '-A INPUT -j LED --led-trigger-id x'),
  );
  await refuses(
    ipt,
    UnsupportedError,
    /^line 3: .*the kernel has no match ipvs of revision \d.*the line: "-A INPUT -m ipvs/,
    filter('-A INPUT -j DROP', '-A INPUT -m ipvs --ipvs -j DROP'),
  );
  // The text gives the bytes of the target, because the package does not know its name.
  await refuses(
    ipt,
    UnsupportedError,
    /^line 2: .*the kernel has no target NOSUCH of revision 3/,
    filter('-A INPUT -j NOSUCH --raw-payload 3:'),
  );
  await refuses(
    ipt,
    NetfilterError,
    /^line 1: .*ENOENT.*the line: "\*nosuch"$/,
    '*nosuch\nCOMMIT\n',
  );
  run(['ipset', 'destroy', 'here']);
  run(['ipset', 'destroy', 'six']);
  await ipt.close();
});

test('objects of the namespace that a rule names', async () => {
  reset();
  load('ipv4', raw('-A OUTPUT -j ACCEPT'));
  const ipt = openTables();
  const cases: [string, RegExp][] = [
    ['-p tcp -j CT --helper nosuch', /helper nosuch/],
    ['-p tcp -j CT --timeout nosuch', /timeout policy nosuch/],
    ['-m nfacct --nfacct-name nosuch', /accounting object nosuch/],
    ['-m rateest --rateest nosuch --rateest-lt --rateest-bps1 1', /rate estimator nosuch/],
  ];
  for (const [rule, name] of cases) {
    const text = raw('-A PREROUTING -j ACCEPT', `-A PREROUTING ${rule}`);
    const before = saved('ipv4', { counters: true });
    const said = /^line 3: iptables commit raw: ENOENT: .*; the line: "-A PREROUTING/;
    const error = await throws(XtablesError, said, () => ipt.restore(text, { noflush: true }));
    assert.match(error.message, name);
    assert.match(error.message, /rule 1 of chain PREROUTING/);
    assert.not.match(`${error.message} ${error.hint}`, /legacy table/);
    assert.match(error.hint!, /must be there before the rule/);
    // A test of the text says the same, or nothing.
    const tested = () => ipt.restore(text, { noflush: true, test: true });
    if (here(testAsksKernel))
      assert.is((await throws(XtablesError, said, tested)).message, error.message);
    else await tested();
    assert.is(saved('ipv4', { counters: true }), before);
    // An edit gives the same error.
    const edited = await throws(XtablesError, name, () =>
      ipt.edit('raw', (table) => {
        table.chain('OUTPUT').append(rule);
      }),
    );
    assert.match(edited.message, /rule 1 of chain OUTPUT/);
    assert.not.match(edited.message, /legacy table/);
  }
  // Where the kernel does not say which of two objects is missing, the message names both, and the line of the table.
  await throws(XtablesError, here(missingObjects), () =>
    ipt.restore(
      raw('-A PREROUTING -p tcp -j CT --helper one', '-A OUTPUT -p tcp -j CT --timeout two'),
    ),
  );
  await ipt.close();
});

test('rules that only the kernel refuses, also in the second table', async () => {
  reset();
  const ipt = openTables();
  const bad = '-A INPUT -m owner --uid-owner 0';
  await refuses(
    ipt,
    XtablesError,
    /^line 4: iptables commit filter: EINVAL.*rule 2 of chain INPUT.*; the line: "-A INPUT -m owner --uid-owner 0"$/,
    filter('-A INPUT', '-A INPUT -p tcp', bad, '-A INPUT -p udp'),
    here(testAsksKernel),
  );
  await refuses(
    ipt,
    XtablesError,
    new RegExp(
      `^line [4-6]: .*${here(loopCode)}.*chains jump in a loop.*; the line: "-A (INPUT|a|b) -j [ab]"$`,
    ),
    filter(':a - [0:0]', ':b - [0:0]', '-A INPUT -j a', '-A a -j b', '-A b -j a'),
    false,
  );
  await ipt.close();
});

test('messages repeat only a short part of the text', async () => {
  const ipt = openTables();
  const long = 'x'.repeat(1_000_000);
  const texts = [
    filter(`-A INPUT --${long}`),
    filter(`-A INPUT -${long}`),
    filter(`-A INPUT ${long}`),
    filter(`-A INPUT -p ${long}`),
    filter(`-A INPUT -s ${long}`),
    filter(`-A INPUT -s 10.0.0.0/${long}`),
    filter(`-A INPUT -i ${long}`),
    filter(`-A INPUT -j ${long}`),
    filter(`-A INPUT -g ${long}`),
    filter(`-A INPUT -m ${long}`),
    filter(`-A ${long} -j DROP`),
    filter(`-N ${long}`),
    filter(`-E INPUT ${long}`),
    filter(`-P INPUT ${long}`),
    filter(`-${long} INPUT`),
    filter(`${long}`),
    filter(`:${long} - [0:0]`),
    filter(`:INPUT ${long} [0:0]`),
    filter(`[${long} -A INPUT`),
    filter(`[1:${long}] -A INPUT`),
    filter(`-I INPUT ${long}`),
    filter(`-A INPUT -c ${long} 1`),
    filter(`-A INPUT -m comment --comment "${long}`),
    filter(`-A INPUT -m ${long.slice(0, 20)} --raw-payload ${long}`),
    filter(`-A INPUT -p tcp --dport ${long}`),
    filter(`-A INPUT -p tcp --tcp-flags ${long} ${long}`),
    filter(`-A INPUT -p sctp --chunk-types any ${long}`),
    filter(`-A INPUT -m string --algo bm --hex-string "|${long}|"`),
    filter(`-A INPUT -m string --algo ${long} --string x`),
    filter(`-A INPUT -m set --match-set ${long} src`),
    filter(`-A INPUT -m conntrack --ctstate ${long}`),
    filter(`-A INPUT -m mark --mark ${long}`),
    filter(`-A INPUT -m limit --limit ${long}`),
    filter(`-A INPUT -m u32 --u32 ${long}`),
    filter(`-A INPUT -m bpf --bytecode ${long}`),
    filter(`-A INPUT -m time --datestart ${long}`),
    filter(`-A INPUT -j LOG --log-level ${long}`),
    filter(`-A INPUT -j REJECT --reject-with ${long}`),
    filter(`-A INPUT -m recent --set --name ${long}`),
    filter(`-A INPUT -m hashlimit --hashlimit-upto 1/s --hashlimit-name ${long}`),
    `*${long}\nCOMMIT\n`,
    `${long}\n`,
  ];
  for (const text of texts) {
    const error = await throws(Error, /^line \d: /, () => ipt.restore(text, { counters: true }));
    assert.ok(
      error.message.length < 2500,
      `${error.message.length}: ${error.message.slice(0, 90)}`,
    );
  }
  for (const work of [
    () => parseRule(`-A ${long}`),
    () => parseRule(`--${long}`),
    () => formatRule({ [long]: 1 } as never),
    () => formatRule({ matches: [{ name: 'tcp', [long]: 1 }] } as never),
    () => formatRule({ matches: [{ name: long }] } as never),
    () => formatRule({ target: { name: 'jump', chain: long } }),
    () => formatRule({ src: long }),
    () => formatRule({ src: [long] } as never),
  ]) {
    const error = await throws(Error, /./, work);
    assert.ok(
      error.message.length < 2500,
      `${error.message.length}: ${error.message.slice(0, 90)}`,
    );
  }
  await ipt.close();
});

test('formatRule refuses an object that is not a rule, and names the field', async () => {
  await throws(TypeError, /^rule\.src: expected a string, got null/, () =>
    formatRule({ src: null } as never),
  );
  await throws(TypeError, /^rule\.dst: expected a string, got a number|^rule\.dst: .* got 5/, () =>
    formatRule({ dst: 5 } as never),
  );
  await throws(TypeError, /^rule: expected/, () => formatRule(null as never));
  await throws(TypeError, /^rule: expected/, () => formatRule(undefined as never));
  await throws(TypeError, /^rule: expected a string/, () => parseRules(undefined as never));
});

test('a line with very many addresses, after another rule', async () => {
  reset();
  const ipt = openTables();
  const address = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
  const many = here(manyRules);
  const list = Array.from({ length: many }, (_, i) => address(i)).join();
  let turns = 0;
  let turning = true;
  const turn = () => {
    turns++;
    if (turning) setImmediate(turn);
  };
  setImmediate(turn);
  await ipt.restore(filter('-A INPUT -j ACCEPT', `-A INPUT -s ${list} -j DROP`));
  turning = false;
  assert.ok(turns > many / 650, `the loop turned ${turns} times`);
  const table = await ipt.read();
  assert.is(table.chain('INPUT').length, many + 1);
  assert.is(String(table.chain('INPUT').rules[many]), `-s ${address(many - 1)}/32 -j DROP`);
  await ipt.restore(filter('-A INPUT -j ACCEPT'));
  await ipt.close();
});

test('lists that multiply into many rules are limited', async () => {
  reset();
  const ipt = openTables();
  const list = (n: number) =>
    Array.from({ length: n }, (_, i) => `10.0.${i >> 8}.${i & 255}`).join();
  const text = `-s ${list(1000)} -d ${list(1000)}`;
  const said = /lists of addresses make 1000000 rules, at most 262144 are taken/;
  await throws(RangeError, said, () => parseRules(text));
  await throws(RangeError, said, () => ipt.restore(filter(`-A INPUT ${text}`)));
  await throws(RangeError, said, () =>
    ipt.edit('filter', (table) => {
      table.chain('INPUT').append(text);
    }),
  );
  assert.is(mostRules, 262_144);
  assert.is(parseRules(`-s ${list(512)} -d ${list(512)}`).length, mostRules);
  await throws(RangeError, said, () => ipt.restore(filter(`-D INPUT ${text}`), { noflush: true }));
  await ipt.close();
});

test.run();
