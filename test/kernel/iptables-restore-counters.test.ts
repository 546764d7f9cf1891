// Counters in the lines of iptables-restore, complete and incomplete, and words that cannot be negated. A line that
// is taken has the meaning that iptables-restore gives it. A refused line changes nothing.
// Backends: legacy, nft
import { spawnSync } from 'node:child_process';
import type { Counters, RuleInit } from '../../src/iptables/rule/rule.js';
import { parseRule } from '../../src/iptables/rule/text.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { here, takesCounters } from '../support/backend-differences.js';
import { assert, suite, throws } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import {
  comparable,
  families,
  loadCounted,
  openTables,
  reset,
  restoreCommand,
  saved,
} from '../support/iptables-tables.js';

const test = suite('counters in the lines of iptables-restore');

const start = '*filter\n:INPUT DROP [0:0]\n:old - [0:0]\n[3:4] -A INPUT -p tcp\nCOMMIT\n';
const section = (line: string) => `*filter\n${line}\nCOMMIT\n`;
const now = (family: Family) => saved(family, { counters: true, table: 'filter' });

/** The table after iptables-restore took the line. Undefined if it refuses the line. */
async function theirs(
  family: Family,
  line: string,
  counters: boolean,
): Promise<string | undefined> {
  // Where the tool takes no counters, that of the other family is the oracle: the lines are the same in both.
  if (!here(takesCounters).includes(family)) family = 'ipv4';
  await loadCounted(family, start);
  const args = counters ? ['--noflush', '--counters'] : ['--noflush'];
  const input = section(line);
  const done = spawnSync(restoreCommand(family), args, { input });
  return done.status === 0 ? now(family) : undefined;
}

const taken = [
  ':c -',
  ':c - [5:6]',
  ':c - [5]',
  ':c - anything',
  ':old -',
  ':old - [5:6]',
  ':INPUT ACCEPT [7:8]',
  ':INPUT DROP [0:0]',
  ':INPUT ACCEPT [18446744073709551615:1]',
  '[5:6] -A INPUT -p udp',
  '[0:6] -I INPUT -p udp',
  '[5:0] -R INPUT 1 -p udp',
  '-A INPUT -p udp -c 5 6',
  '-A INPUT -c 5,6 -p udp',
  '-A INPUT -p udp --set-counters 0 6',
  '-P INPUT ACCEPT -c 5 0',
];
/** Half a pair of counters, and text that is not a pair. */
const refused = [
  '-A INPUT -p udp -c 5',
  '-A INPUT -c 5 -p udp',
  '-A INPUT -p udp -c 5,',
  '-A INPUT -p udp -c ,5',
  '-A INPUT -p udp -c5',
  '-A INPUT -p udp -c',
  '-A INPUT -p udp --set-counters 5',
  '-I INPUT -p udp -c 5 x',
  '-R INPUT 1 -p udp -c x 5',
  '-P INPUT ACCEPT -c 5',
  '[5] -A INPUT -p udp',
  '[ -A INPUT -p udp',
  // A deletion has no counters.
  '-D INPUT -p tcp -c 3 4',
  '-F INPUT -c 3 4',
];
/** These are refused only if the counters of the text are used. */
const refusedCounted = [
  '[5:] -A INPUT -p udp',
  '[:5] -A INPUT -p udp',
  '[:] -A INPUT -p udp',
  '[x:5] -A INPUT -p udp',
  '[5:x] -A INPUT -p udp',
  '[5:6] -A INPUT -p udp -c 7 8',
  ':INPUT ACCEPT',
  ':INPUT ACCEPT [5]',
  ':INPUT ACCEPT [5:]',
  ':INPUT ACCEPT [:5]',
  ':INPUT ACCEPT [x:5]',
];

test('good lines, with and without the counters of the text', async () => {
  reset();
  for (const family of families) {
    await using ipt = openTables({ family });
    const uncounted = [
      '[5:] -A INPUT -p udp',
      ':INPUT ACCEPT',
      ':INPUT ACCEPT [5]',
      ':INPUT ACCEPT [:5]',
    ];
    for (const counters of [true, false]) {
      for (const line of counters ? taken : [...taken, ...uncounted]) {
        const expected = await theirs(family, line, counters);
        assert.ok(expected !== undefined, `iptables-restore takes ${line}`);
        await loadCounted(family, start);
        await ipt.restore(section(line), { noflush: true, counters });
        const what = `${line}, counters: ${counters}`;
        assert.is(comparable('ipv4', now(family), line), comparable('ipv4', expected, line), what);
      }
    }
  }
});

test('half a pair of counters is refused', async () => {
  reset();
  for (const family of families) {
    await using ipt = openTables({ family });
    for (const counters of [true, false]) {
      for (const line of counters ? [...refused, ...refusedCounted] : refused) {
        const what = `${line}, counters: ${counters}`;
        assert.is(
          await theirs(family, line, counters),
          undefined,
          `iptables-restore refuses ${what}`,
        );
        await loadCounted(family, start);
        const before = now(family);
        const error = await throws(Error, /^line 2: /, () =>
          ipt.restore(section(line), { noflush: true, counters }),
        );
        assert.ok(error instanceof TypeError || error instanceof RangeError, `${what}: ${error}`);
        assert.is(now(family), before, what);
      }
    }
  }
});

test('half a pair of counters is refused in a typed rule and for a policy', async () => {
  reset();
  for (const family of families) {
    await using ipt = openTables({ family });
    await loadCounted(family, start);
    const before = now(family);
    for (const text of ['-p udp -c 5', '-c 5 -p udp', '-c 5, -p udp', '-c ,5', '-c']) {
      await throws(RangeError, /^rule: -c: /, () => parseRule(text, { family }));
      await throws(RangeError, /^rule: -c: /, () =>
        ipt.edit('filter', (t) => void t.chain('INPUT').append(text)),
      );
    }
    const halves: [unknown, RegExp][] = [
      [{ packets: 5n }, /counters\.bytes: /],
      [{ bytes: 5n }, /counters\.packets: /],
      [{ packets: 5n, bytes: undefined }, /counters\.bytes: /],
      [{ packets: null, bytes: 5n }, /counters\.packets: /],
      [{}, /counters\.packets: /],
      [[5n, 6n], /counters/],
      [null, /counters: /],
      [5n, /counters: /],
    ];
    for (const [counters, message] of halves) {
      const init = { protocol: 'udp', counters } as RuleInit;
      await throws(TypeError, message, () => encodeRule(init, { family }));
      await throws(TypeError, message, () =>
        ipt.edit('filter', (t) => void t.chain('INPUT').append(init)),
      );
      await throws(TypeError, message, () =>
        ipt.edit('filter', (t) => void t.chain('INPUT').policy('ACCEPT', counters as Counters)),
      );
    }
    assert.is(now(family), before);
  }
});

test('a word that is no condition cannot be negated', async () => {
  reset();
  for (const family of families) {
    await using ipt = openTables({ family });
    await loadCounted(family, start);
    const before = now(family);
    // iptables-restore ignores the ! in the first four. The rule then means the opposite of its text.
    for (const word of [
      '-4',
      '-6',
      '--ipv4',
      '--ipv6',
      '-v',
      '--verbose',
      '-c 1 2',
      '-j DROP',
      '-g old',
    ]) {
      for (const line of [
        `! ${word} -A INPUT -p udp`,
        `-A INPUT -p udp ! ${word}`,
        `-A INPUT ! ${word} -p udp`,
      ]) {
        const error = await throws(RangeError, /^line 2: .*cannot be negated/, () =>
          ipt.restore(section(line), { noflush: true }),
        );
        assert.match(error.message, word.split(' ')[0]!);
      }
      if (/^-+v/.test(word)) continue;
      await throws(RangeError, /cannot be negated/, () =>
        parseRule(`-p udp ! ${word}`, { family }),
      );
    }
    assert.is(now(family), before);
  }
});

test.run();
