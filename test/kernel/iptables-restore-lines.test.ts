// The lines that iptables-restore takes, in every order and form. restore() must make the same tables. It must refuse
// the same lines, and name them.
// Backends: legacy, nft

import { spawnSync } from 'node:child_process';
import type { RestoreOptions } from '../../src/iptables/edit/restore.js';

import type { Iptables } from '../../src/iptables/iptables.js';
import { textToBytes } from '../../src/iptables/text/encoding.js';
import {
  declaredNames,
  here,
  isRefusedByTool,
  takenByTool,
} from '../support/backend-differences.js';
import { assert, suite, throws } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import {
  comparable,
  families,
  forTool,
  load,
  loadCounted,
  openTables,
  reset,
  restoreCommand,
  saved,
} from '../support/iptables-tables.js';

const test = suite('lines of iptables-restore');

const base = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:old - [0:0]
:two - [0:0]
[1:10] -A INPUT -p tcp -j old
[2:20] -A INPUT -p udp
[3:30] -A INPUT -j RETURN
[4:40] -A old -p tcp
[5:50] -A two -p udp
COMMIT
`;

const section = (lines: readonly string[]) => `*filter\n${lines.join('\n')}\nCOMMIT\n`;

/** The complaint of iptables-restore about a text, or undefined. */
function theirs(family: Family, text: string, ...args: string[]): string | undefined {
  const input = textToBytes(text);
  const done = spawnSync(restoreCommand(family), args, { input });
  return done.status === 0 ? undefined : `${done.stderr}`.trim() || `status ${done.status}`;
}

/** Both take the lines, and the tables are the same afterwards. */
async function alike(
  ipt: Iptables,
  lines: readonly string[],
  options: RestoreOptions = {},
): Promise<string> {
  const { family } = ipt;
  const text = section(lines);
  const flags = options.counters ? ['--noflush', '--counters'] : ['--noflush'];
  await loadCounted(family, base);
  const complaint = theirs(family, forTool(text), ...flags);
  assert.is(complaint, undefined, `iptables-restore takes it, but says ${complaint}`);
  const expected = saved(family, { counters: true, table: 'filter' });
  await loadCounted(family, base);
  await ipt.restore(text, { noflush: true, ...options });
  const ours = saved(family, { counters: true, table: 'filter' });
  assert.is(comparable(family, ours, text), comparable(family, expected, text), text);
  return ours;
}

test('the command can be anywhere in the line, in its short and its long form', async () => {
  reset();
  for (const family of families) {
    const ipt = openTables({ family });
    const net = family === 'ipv4' ? '10.0.0.0/8' : 'fd00::/8';
    const own = family === 'ipv4' ? '-4' : '-6';
    const result = await alike(ipt, [
      `-p tcp -A INPUT -s ${net} -j ACCEPT`,
      `-s ${net} -j DROP --append INPUT`,
      `! -p tcp -A INPUT`,
      `-p tcp --dport 80 -I INPUT 2 -j ACCEPT`,
      `-j ACCEPT -I INPUT`,
      `--insert INPUT 0x1 -p udp`,
      `--ins old 01 -p 47`,
      `-AINPUT -p 50`,
      `--append=INPUT -p 51`,
      `-IINPUT 1 -p 52`,
      `-vA INPUT -p 53`,
      `-v -A INPUT -p 54 --verbose`,
      `-p 55 -R INPUT 2`,
      `--replace old 1 -p 56`,
      `-p udp -D two`,
      `--delete INPUT 3`,
      `-D INPUT 3 ${own}`,
      `${own} -A INPUT -p 57`,
      `-A INPUT -p 58 ${own}`,
      `-C INPUT -p 50`,
      `-p 51 --check INPUT`,
      `-A "INPUT" "-p" "59"`,
      `-A INPUT -p 60 --`,
      `-A INPUT --src ${net} --dst ${net} --in-interface eth0 --jump ACCEPT`,
      `-A INPUT --sour ${net} --dest ${net} --in-i eth0 --ju ACCEPT`,
      `-A INPUT --protocol tcp --match tcp --dport 1:2 --goto two`,
      `--new-chain three`,
      `-N four`,
      `-Nfive`,
      `-A three -j four`,
      `-A INPUT -j three`,
      `--rename-chain five six`,
      `-E six seven`,
      `-F four`,
      `--flush=old`,
      `-Fold`,
      `-X seven`,
      `-Z INPUT`,
      `--zero INPUT 2`,
      `-ZINPUT`,
      `-P FORWARD DROP`,
      `--policy OUTPUT DROP`,
      `-P OUTPUT ACCEPT -c 5 6`,
      `-c 7,8 -P FORWARD DROP`,
      `-A INPUT -p 61 -c 1 2`,
      `-A INPUT -p 62 -c 3,4`,
      `-A INPUT -p 63 -c5,6`,
      `-A INPUT -p 64 --set-counters 7 8`,
      `--set-c 9,10 -I INPUT 3 -p 65`,
      `-R INPUT 1 -p 66 -c 11 12`,
      `\t  -A   INPUT\t-p 67   `,
      `[5:6] -A INPUT -p 68`,
      `[7:8]-A INPUT -p 69`,
      `[9:9] -P INPUT DROP`,
      `[x:y] -A INPUT -p 70`,
    ]);
    assert.match(result, /:OUTPUT ACCEPT \[5:6\]/);
    assert.match(result, /:FORWARD DROP \[7:8\]/);
    assert.match(result, /\[3:4\] -A INPUT -p 62/);
    await alike(ipt, ['[5:6] -A INPUT -p 68', '[9:9] -P INPUT DROP', '[1:2] -p 6 -I INPUT'], {
      counters: true,
    });
    await alike(ipt, ['-F', '-D old 1', '-X'].slice(0, 1));
    await alike(ipt, ['--flush', '--delete-chain']);
    await alike(ipt, ['-Z']);
    await ipt.close();
  }
});

test('lines for the other family', async () => {
  reset();
  for (const family of families) {
    const ipt = openTables({ family });
    const other = family === 'ipv4' ? '-6' : '-4';
    const long = family === 'ipv4' ? '--ipv6' : '--ipv4';
    const net = family === 'ipv4' ? 'fd00::/8' : '10.0.0.0/8';
    await alike(ipt, [
      `${other} -A INPUT -s ${net} -j ACCEPT`,
      `-A INPUT ${other} -s ${net} -j ACCEPT`,
      `-A INPUT -s ${net} ${other} -j nosuch`,
      `${long} -A nosuch -m nosuch --nosuch`,
      `${other}`,
      `-I INPUT 2 ${long}`,
      `-p tcp ${other} -A INPUT`,
      `-D INPUT ${other} -p 99`,
      `-C INPUT ${other} -p 99`,
      `${other} -P INPUT DROP`,
      `${other} -F`,
      // iptables does the command before this word and does not read further.
      `-P FORWARD DROP ${other}`,
      `-N made ${other}`,
      `-F old ${other}`,
      `-A INPUT -m comment --comment ${other}`,
    ]);
    await ipt.close();
  }
});

test('addresses as iptables reads them', async () => {
  reset();
  for (const family of families) {
    const ipt = openTables({ family });
    const [one, two, zero] =
      family === 'ipv4' ? ['10.0.0.1', '10.0.0.2', '0.0.0.0'] : ['fd00::1', 'fd00::2', '::'];
    await alike(ipt, [
      '-A INPUT -s any/0',
      '-A INPUT -d any/0 -p tcp',
      ...(isRefusedByTool('! -s 0.0.0.0/0') ? [] : ['! -s any/0 -A INPUT']),
      `-A INPUT -s any/${zero}`,
      `-A INPUT -s any/0,${one} -d ${two},x/0`,
      '-A INPUT -s /0',
      `-A INPUT -s " ${one},  ${two}" -d "${two}"`,
      `-I INPUT 2 -s ${one},${two} -d ${one},${two}`,
      `-D INPUT -s any/0,${one} -d ${two},x/0`,
    ]);
    for (const line of [
      `-A INPUT ! -s ${one} -d ${one},${two}`,
      `-A INPUT ! -s ${one},${two}`,
      `-R INPUT 1 -s ${one},${two}`,
      '-A INPUT -s any',
      '-A INPUT -s any/1',
    ]) {
      assert.ok(theirs(family, section([line]), '-n'), `iptables-restore refuses ${line}`);
      await throws(RangeError, /^line 2: .*the line: "-/, () =>
        ipt.restore(section([line]), { noflush: true }),
      );
    }
    await ipt.close();
  }
});

test('lines that iptables-restore refuses are refused, and nothing changes', async () => {
  reset();
  const ipt = openTables();
  await loadCounted('ipv4', base);
  const before = saved('ipv4', { counters: true, table: 'filter' });
  const bad = [
    '-p tcp',
    '-A',
    '-A INPUT -I INPUT',
    '-A INPUT -F',
    '-A INPUT 3',
    '-I INPUT 0',
    '-I INPUT x',
    '-I INPUT 5',
    '-I INPUT 2147483648',
    '-R INPUT',
    '-R INPUT -p tcp',
    '-R INPUT 4 -p tcp',
    '-D INPUT 4',
    '-D INPUT 1 -p tcp',
    '-D INPUT -p 99',
    '-D INPUT -p udp -c 1 2',
    '-C INPUT -p udp -c 1 2',
    '-C INPUT -p 99',
    '! -A INPUT',
    '-A INPUT -t filter',
    '-A INPUT -n',
    '-A INPUT -x',
    '-A INPUT --line-numbers',
    '-A INPUT -w',
    '-A INPUT -w 5',
    '-b -A INPUT',
    '-F -p tcp',
    '-F INPUT -c 1 2',
    '-F INPUT old',
    '-Z INPUT 4',
    '-Z INPUT 0',
    '-N',
    '-N old',
    '-N new -j DROP',
    '-N LOG',
    '-N -x',
    '-X old',
    '-X nosuch',
    '-X INPUT',
    '-E old',
    '-E old two',
    '-E old two three',
    '-E INPUT new',
    '-P INPUT',
    '-P INPUT QUEUE',
    '-P INPUT ACCEPT -p tcp',
    '-P old ACCEPT',
    '-P INPUT ACCEPT extra',
    '-A nosuch',
    '-A INPUT -j nosuch',
    '-A INPUT -g nosuch',
    '-A INPUT -g LOG',
    '-A INPUT -j INPUT',
    '-A INPUT -c 1',
    '-A INPUT -c x y',
    '-A INPUT -c 1 2 -c 3 4',
    '-A INPUT -- -p tcp',
    '-A INPUT --s 10.0.0.1',
    '-A INPUT --nosuch',
    '-A INPUT --in eth0',
    '-A INPUT -o eth0',
    'A INPUT',
    '[1:2 -A INPUT',
    '[12] -A INPUT',
    '*nat',
    ':INPUT',
    ':INPUT QUEUE [0:0]',
    ':old ACCEPT [0:0]',
    ':12345678901234567890123456789 - [0:0]',
    ':ACCEPT - [0:0]',
    '-A INPUT -m comment --comment "open',
  ];
  for (const line of bad) {
    const text = section([line]);
    const taken = theirs('ipv4', text, '--noflush') === undefined;
    // iptables-restore takes an open quote: it swallows the end of the line, which nobody wants.
    const isTaken = line.endsWith('"open') || here(takenByTool).includes(line);
    assert.is(taken, isTaken, `iptables-restore refuses ${line}`);
    if (taken) {
      reset();
      await loadCounted('ipv4', base);
    }
    const error = await throws(Error, /^line [23]: /, () => ipt.restore(text, { noflush: true }));
    const told = error.message.endsWith(`; the line: ${JSON.stringify(line)}`);
    assert.ok(told, `${line} is repeated by ${error.message}`);
  }
  assert.is(saved('ipv4', { counters: true, table: 'filter' }), before);
  await ipt.close();
});

test('comments, blank lines, ends of lines', async () => {
  reset();
  const ipt = openTables();
  const want = '*filter\n:INPUT ACCEPT [0:0]\n:c - [0:0]\n-A INPUT -j c\nCOMMIT\n';
  load('ipv4', want);
  const expected = saved('ipv4', { table: 'filter' });
  for (const text of [
    want.replaceAll('\n', '\r\n'),
    want.trimEnd(),
    `\n\n# one\n${want}\n# two\n\n`,
    want.replace(':c', '  # three\n\t:c').replace('-A', '\n  -A'),
    want.replaceAll('\n', ' \t\n'),
  ]) {
    load('ipv4', '*filter\nCOMMIT\n');
    await ipt.restore(text);
    assert.is(saved('ipv4', { table: 'filter' }), expected, JSON.stringify(text));
  }
  await ipt.restore('');
  await ipt.restore('# nothing\n');
  await throws(RangeError, /^line 4: COMMIT is missing at the end/, () =>
    ipt.restore('*filter\n-A INPUT -j DROP\n\n'),
  );
  assert.is(saved('ipv4', { table: 'filter' }), expected);
  await ipt.close();
});

test('a chain may have the name of a target if the text declares it', async () => {
  reset();
  const ipt = openTables();
  const declaring = (x: string) => [
    ':LOG - [0:0]',
    `:${x} - [0:0]`,
    '-A INPUT -j LOG',
    `-A LOG -g ${x}`,
    `-A ${x}`,
  ];
  if (here(declaredNames).test('-x')) await alike(ipt, declaring('-x'));
  else {
    await alike(ipt, declaring('x-'));
    await ipt.restore(section(declaring('-x')));
  }
  assert.match(saved('ipv4', { table: 'filter' }), /^-A LOG -g -x$/m);
  // The kernel's table is saved and restored.
  const text = await ipt.save({ tables: ['filter'] });
  const before = saved('ipv4', { table: 'filter' });
  await ipt.restore('*filter\nCOMMIT\n');
  await ipt.restore(text);
  assert.is(saved('ipv4', { table: 'filter' }), before);
  await ipt.close();
});

test('a policy DROP of the table nat can be restored, but a command cannot set it', async () => {
  reset();
  const ipt = openTables();
  const text = '*nat\n:PREROUTING DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n';
  await ipt.restore(text);
  assert.match(saved('ipv4', { table: 'nat' }), /:PREROUTING DROP/);
  await ipt.restore(await ipt.save({ tables: ['nat'] }));
  assert.match(saved('ipv4', { table: 'nat' }), /:PREROUTING DROP/);
  await throws(RangeError, /^line 2: .*not for filtering/, () =>
    ipt.restore('*nat\n-P OUTPUT DROP\nCOMMIT\n'),
  );
  await ipt.close();
});

test('a change of the options object after the call has no effect', async () => {
  reset();
  const ipt = openTables();
  const bytes = Buffer.from('*filter\n-A INPUT -j DROP\nCOMMIT\n');
  const done = ipt.restore(bytes);
  bytes.fill(0x20);
  await done;
  assert.match(saved('ipv4', { table: 'filter' }), /-A INPUT -j DROP/);
  await ipt.close();
});

test.run();
