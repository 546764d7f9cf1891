// restore() must make the same tables as iptables-restore. A text with any error must change nothing.
// Backends: legacy, nft
import { XtablesError } from '../../src/errors.js';
import type { RestoreOptions } from '../../src/iptables/edit/restore.js';
import type { LockWait } from '../../src/iptables/options.js';
import { assert, suite, throws } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import {
  backend,
  comparable,
  families,
  forTool,
  load,
  loadCounted,
  openTables,
  packets,
  reset,
  saved,
} from '../support/iptables-tables.js';

const test = suite('restoring iptables tables');

const base = `*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:old - [0:0]
:both - [0:0]
[9:900] -A INPUT -j old
[8:800] -A old -p tcp -m tcp --dport 1 -j both
[7:700] -A both -j RETURN
COMMIT
*mangle
-A OUTPUT -j MARK --set-mark 1
COMMIT
`;

/** Restores a text with the package and with iptables on equal tables. Returns the result, which must be equal. */
async function alike(
  family: Family,
  text: string,
  options: RestoreOptions & LockWait = {},
  start = base,
): Promise<string> {
  const ipt = openTables({ family });
  reset();
  await loadCounted(family, start);
  await ipt.restore(text, options);
  const ours = saved(family, { counters: true });
  reset();
  await loadCounted(family, start);
  const flags = [];
  if (options.counters) flags.push('--counters');
  if (options.noflush) flags.push('--noflush');
  if (options.test) flags.push('--test');
  load(family, /^-E /m.test(text) ? forTool(text) : text, ...flags);
  const theirs = saved(family, { counters: true });
  assert.is(comparable(family, ours, text), comparable(family, theirs, text));
  await ipt.close();
  return ours;
}

const whole = `# a comment
*filter
:INPUT ACCEPT [5:500]
:OUTPUT DROP [6:600]
:both - [0:0]
:new - [0:0]

[1:100] -A INPUT -p tcp -m multiport --dports 80,443 -j new
[2:200] -A INPUT -m comment --comment "a \\"quoted\\" \\\\ word" -j ACCEPT
-A new -p udp -m limit --limit 5/min -j LOG --log-prefix "in: "
-I new -j both
-I new 2 -p icmp
COMMIT
`;

test('a whole table, with and without counters', async () => {
  const text = (family: Family) =>
    family === 'ipv6' ? whole.replace('-p icmp\n', '-p icmpv6\n') : whole;
  for (const family of families) {
    const plain = await alike(family, text(family));
    assert.match(plain, /:INPUT ACCEPT \[0:0\]/);
    assert.match(plain, /:FORWARD ACCEPT \[0:0\]/);
    // Other tables stay unchanged.
    assert.match(plain, /\*mangle[^*]*MARK/);
    const counted = await alike(family, text(family), { counters: true });
    assert.match(counted, /:OUTPUT DROP \[6:600\]/);
    assert.match(counted, /\[2:200\] -A INPUT/);
    await alike(family, text(family), { noflush: true });
    await alike(family, text(family), { noflush: true, counters: true });
    await alike(family, text(family), { test: true });
  }
});

test('every command that such a text can have', async () => {
  const text = `*filter
-N made
-A made -s 10.0.0.1,10.0.0.2 -d 10.1.0.0/16,10.2.0.0/16 -j ACCEPT
-I INPUT -s 10.0.0.3,10.0.0.4 -j made
-R old 1 -p tcp -m tcp --dport 2 -j both
-D both -j RETURN
-D INPUT 3
-C made -s 10.0.0.1 -d 10.1.0.0/16 -j ACCEPT
-E both two
-Z two
-P FORWARD DROP
-F made
-X made
-N made
COMMIT
`;
  await alike('ipv4', text.replace('-F made\n-X made\n-N made\n', ''), { noflush: true });
  await alike(
    'ipv4',
    '*filter\n-Z\n-F\n-X\nCOMMIT\n*mangle\n-F OUTPUT\nCOMMIT\n*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n',
    { noflush: true, counters: true },
  );
  await alike('ipv4', '*filter\n-Z INPUT 1\n-Z old\nCOMMIT\n', { noflush: true });
  // A table twice in a text: the second section works on the result of the first.
  await alike('ipv4', '*filter\n:x -\n-A x\nCOMMIT\n*filter\n-A x -j DROP\nCOMMIT\n', {
    noflush: true,
  });
});

test('the texts of iptables-save and of save()', async () => {
  for (const family of families) {
    reset();
    await loadCounted(family, base);
    const ipt = openTables({ family });
    const theirs = saved(family, { counters: true });
    await ipt.restore(theirs, { counters: true });
    assert.is(saved(family, { counters: true }), theirs);
    const ours = await ipt.save({ counters: true });
    await ipt.restore('*filter\nCOMMIT\n*mangle\nCOMMIT\n');
    assert.not.match(saved(family), /-A/);
    await loadCounted(family, ours);
    assert.is(saved(family, { counters: true }), theirs);
    await ipt.close();
  }
});

test('a text with an error changes nothing, and the message names the line', async () => {
  const ipt = openTables();
  reset();
  await loadCounted('ipv4', base);
  const before = saved('ipv4', { counters: true });
  const wrong: [RegExp, string, RestoreOptions?][] = [
    [/^line 3: rule: -p/, '*filter\n:INPUT ACCEPT\n-A INPUT -p nonsense\nCOMMIT\n'],
    [/^line 2: chain: expected a chain.*"nope"/, '*filter\n-A nope -j ACCEPT\nCOMMIT\n'],
    [/^line 4: COMMIT is missing at the end/, '*filter\n-A INPUT -j DROP\n\n'],
    [/^line 2: COMMIT is missing before this table; the line: "\*nat"$/, '*filter\n*nat\nCOMMIT\n'],
    [/^line 1: a table .* must come first/, '-A INPUT -j DROP\n'],
    [/^line 1: COMMIT without a table/, 'COMMIT\n'],
    [/^line 2: :INPUT: the policy is missing/, '*filter\n:INPUT\nCOMMIT\n'],
    [/^line 2: :INPUT: "QUEUE" is no policy/, '*filter\n:INPUT QUEUE [0:0]\nCOMMIT\n'],
    [
      /^line 2: :INPUT: counters .* missing/,
      '*filter\n:INPUT ACCEPT\nCOMMIT\n',
      { counters: true },
    ],
    [/^line 2: :mine: .* no built-in chain/, '*filter\n:mine ACCEPT [0:0]\nCOMMIT\n'],
    [/^line 3: :a: the chain is in the text already/, '*filter\n:a -\n:a -\nCOMMIT\n'],
    [/^line 2: -L: not allowed in such a text/, '*filter\n-L INPUT\nCOMMIT\n'],
    [/^line 2: chain LOG: it is a target/, '*filter\n-N LOG\nCOMMIT\n'],
    [
      /^line 2: -D INPUT: there is no such rule/,
      '*filter\n-D INPUT -j DROP\nCOMMIT\n',
      { noflush: true },
    ],
    [
      /^line 2: -C INPUT: there is no such rule/,
      '*filter\n-C INPUT -j DROP\nCOMMIT\n',
      { noflush: true },
    ],
    [/^line 2: rule\.out: no outgoing interface/, '*filter\n-A INPUT -o eth0\nCOMMIT\n'],
    [
      /^line 3: -j later: table filter has no such chain, and neither this package nor the kernel has a target of that name; the line: "-A INPUT -j later"$/,
      '*filter\n-A INPUT -j DROP\n-A INPUT -j later\n-A INPUT -j DROP\nCOMMIT\n',
    ],
    // The second table is wrong, so the first one must not change either.
    [/^line 5: /, '*mangle\n-A OUTPUT -j ACCEPT\nCOMMIT\n*filter\n-A INPUT --nonsense\nCOMMIT\n'],
    [/^line 5: chain/, '*mangle\n-A OUTPUT -j ACCEPT\nCOMMIT\n*filter\n-A nope\nCOMMIT\n'],
  ];
  for (const [message, text, options] of wrong) {
    await throws(Error, message, () => ipt.restore(text, options));
    assert.is(saved('ipv4', { counters: true }), before, text);
  }
  // Only the kernel can find this error. Legacy tables are committed one after the other, and taken back.
  await ipt.restore('*mangle\n-A OUTPUT -j MARK --set-mark 1\nCOMMIT\n');
  const text = (mangle: string, filter: string) =>
    `*mangle\n-A OUTPUT ${mangle}\nCOMMIT\n*filter\n-A INPUT ${filter}\nCOMMIT\n`;
  const kept = saved('ipv4', { counters: true });
  const refusal = (line: string, rest: string) =>
    new RegExp(`^line 5: [^;]*EINVAL[^;]*rule 0 of chain INPUT[^;]*${line}; the line: "${rest}`);
  const undone = backend === 'legacy' ? ' \\(mangle: committed before, and taken back\\)' : '';
  const owner = '-m owner --uid-owner 0';
  await throws(XtablesError, refusal(undone, `-A INPUT ${owner}`), () =>
    ipt.restore(text('-j ACCEPT', owner)),
  );
  assert.is(saved('ipv4', { counters: true }), kept);
  // The error is about the table that it names, not about a rule at the same place of another table.
  const both = `*mangle\n-A INPUT -j ACCEPT\nCOMMIT\n*filter\n-A INPUT ${owner}\nCOMMIT\n`;
  await throws(XtablesError, refusal(undone, `-A INPUT ${owner}`), () => ipt.restore(both));
  assert.is(saved('ipv4', { counters: true }), kept);
  await ipt.close();
});

test('one commit: packets see the old rules or the new ones', async () => {
  // Every datagram must get one of the two marks. A half-written table would let it pass without a mark.
  const text = (mark: number) => {
    const rules = Array.from({ length: 200 }, (_, i) => `-A INPUT -s 10.0.${i}.1 -j DROP\n`).join(
      '',
    );
    return `*filter\n${rules}-A INPUT -i lo -p udp --dport 9 -j ACCEPT -m comment --comment m${mark}\n-A INPUT -i lo -p udp --dport 9 -m comment --comment missed\nCOMMIT\n`;
  };
  reset();
  const ipt = openTables();
  await ipt.restore(text(0));
  let done = false;
  const flood = packets('ipv4', 4000).then(() => {
    done = true;
  });
  for (let i = 0; !done; i++) await ipt.restore(text(i));
  await flood;
  assert.match(saved('ipv4', { counters: true }), /\[0:0\] -A INPUT .*missed/);
  await ipt.close();
});

test.run();
