// Older revisions of matches. The tests make iptables believe that the kernel has no newer revision, so that it
// writes and prints the old one.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hex } from '../../src/iptables/rule/print.js';
import type { Match } from '../../src/iptables/rule/rule.js';
import type { SetNames } from '../../src/iptables/text/host-names.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite, throws } from '../support/harness.js';
import { iptablesRefuses } from '../support/iptables-kernel.js';
import { type Conformance, compare } from '../support/iptables-oracle.js';

const test = suite('iptables codec: older revisions');
const here = dirname(fileURLToPath(import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'old-revisions-'));
const library = join(directory, 'old-revisions.so');

const names = ['first', 'second'];
const sets: SetNames = {
  indexOf: (name) => (names.includes(name) ? names.indexOf(name) : undefined),
  nameOf: (index) => names[index],
};

function must(command: string, words: string[]): void {
  const done = spawnSync(command, words, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${command} ${words.join(' ')}: ${done.stderr}`);
}

test.before(() => {
  const source = join(here, '../support/old-revisions.c');
  must('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-o', library, source, '-ldl']);
  for (const name of names) must('ipset', ['create', name, 'hash:ip', 'counters']);
});
test.after(() => rmSync(directory, { recursive: true }));

/** Like the conformance tables, but the kernel knows `name` only up to `revision`. */
function older(
  name: string,
  revision: number,
  options: Pick<Conformance, 'families' | 'valid' | 'invalid'>,
): void {
  const maxRevision = (_: unknown, asked: string) => (asked === name ? revision : undefined);
  for (const family of options.families) {
    test(`${name} revision ${revision} ${family}: ${options.valid.length} rules equal to iptables'`, () => {
      process.env.LD_PRELOAD = library;
      process.env.OLD_REVISIONS = `${name}=${revision}`;
      try {
        compare(family, { ...options, sets, maxRevision }, options.valid);
        for (const spec of options.invalid ?? []) {
          assert.ok(iptablesRefuses(family, {}, spec), `iptables takes ${spec}`);
        }
      } finally {
        delete process.env.LD_PRELOAD;
        delete process.env.OLD_REVISIONS;
      }
    });
  }
}

const both = ['ipv4', 'ipv6'] as const;
const lossy = (spec: string) => ({ spec, lossy: true }) as const;
const limit = (rest: string) => `-m hashlimit --hashlimit-name a --hashlimit-upto ${rest}`;
for (const revision of [1, 2] as const) {
  older('hashlimit', revision, {
    families: both,
    valid: [
      ...['5/s', '7/min', '3/hour', '9999/second', '6000/second', '90/minute', '4000/s'].map(limit),
      lossy(limit('60/minute')),
      limit('5/s --hashlimit-burst 10000'),
      '-m hashlimit --hashlimit-name a --hashlimit-above 7/sec --hashlimit-mode srcip,dstport',
      limit('5 --hashlimit-mode srcport --hashlimit-srcmask 8 --hashlimit-dstmask 0'),
      limit('5 --hashlimit-htable-size 100 --hashlimit-htable-max 1000'),
      limit('5 --hashlimit-htable-gcinterval 10 --hashlimit-htable-expire 99'),
      ...['16b/s', '5kb/s', '512kb/s', '1mb/s', '1536kb/s', '4095mb/s'].map(limit),
      limit('512kb/s --hashlimit-burst 1mb'),
      lossy(limit('1500b/s --hashlimit-burst 1500')),
      limit('1mb/s --hashlimit-burst 2mb --hashlimit-htable-expire 15000'),
      '-m hashlimit --hashlimit-name name-of-15-byte --hashlimit-upto 5',
    ],
    invalid: [limit('5/s --hashlimit-rate-match'), ...(revision === 1 ? [limit('10001/s')] : [])],
  });
}

older('recent', 0, {
  families: both,
  valid: [
    '-m recent --set',
    '-m recent ! --remove --name foo --rdest',
    '-m recent --rcheck --seconds 5',
    '-m recent --update --seconds 5 --reap --hitcount 3 --rttl --name bar',
  ],
});

older('socket', 0, { families: ['ipv4'], valid: ['-m socket'] });
older('socket', 1, { families: both, valid: ['-m socket', '-m socket --transparent'] });
older('socket', 2, {
  families: both,
  valid: ['-m socket', '-m socket --transparent --nowildcard', '-m socket --nowildcard'],
});

const plainSets = [
  '-m set --match-set first src',
  '-m set ! --match-set second dst,src',
  '-m set ! --match-set second src,dst,dst',
  '-m set --match-set second src,src,dst,src,dst',
];
older('set', 0, { families: ['ipv4'], valid: plainSets });
older('set', 1, {
  families: ['ipv4'],
  valid: [...plainSets, '-m set --match-set first dst,dst,dst,dst,dst,dst'],
});
older('set', 2, {
  families: ['ipv4'],
  valid: [...plainSets, '-m set ! --match-set first src --return-nomatch'],
});
older('set', 3, {
  families: ['ipv4'],
  valid: [
    ...plainSets,
    '-m set ! --match-set first src ! --update-counters ! --update-subcounters --packets-gt 5 --bytes-lt 7 --return-nomatch',
    '-m set --match-set first src ! --packets-eq 5 --bytes-eq 18446744073709551615',
    '-m set --match-set first src --packets-lt 5 ! --bytes-eq 7',
    '-m set --match-set first src --bytes-gt 7',
  ],
});

test('tos revision 0, which current kernels refuse, has only a value', () => {
  const match: Match = { name: 'tos', revision: 0, tos: { not: 16 } };
  const rule = decodeRule(encodeRule({ matches: [match] }));
  assert.equal(rule.matches, [match]);
  assert.is(rule.toString(), '-m tos ! --tos 0x10');
  assert.is(hex(encodeRule(rule).subarray(112 + 32, 112 + 40)), '1001000000000000');
});

test('a field that a revision does not have is refused', async () => {
  const bad = (match: Match, pattern: RegExp) =>
    throws(RangeError, pattern, () => encodeRule({ matches: [match] }, { sets }));
  await bad({ name: 'socket', revision: 0, transparent: true }, /transparent needs a newer/);
  await bad({ name: 'socket', revision: 1, nowildcard: true }, /nowildcard needs a newer/);
  await bad({ name: 'socket', revision: 2, restoreSkmark: true }, /restoreSkmark needs a newer/);
  await bad({ name: 'recent', revision: 0, set: true, mask: '255.0.0.0' }, /mask/);
  await bad({ name: 'tos', revision: 0, tos: 256 }, /tos: /);
  const rate = { name: 'hashlimit', htableName: 'a', upto: { count: 5, per: 'second' } } as const;
  await bad({ ...rate, revision: 2, rateMatch: true }, /rateMatch.* revision 3/);
  await bad({ ...rate, revision: 1, htableName: 'sixteen-bytes-xx' }, /htableName: /);
  await bad({ ...rate, revision: 1, burst: 10001 }, /burst: /);
  await bad({ ...rate, revision: 1, upto: { count: 10001, per: 'second' } }, /faster/);
  const set = { name: 'set', matchSet: 'first', flags: ['src'] } as const;
  await bad({ ...set, revision: 0, flags: ['src', 'src', 'src', 'src', 'src', 'src'] }, /flags/);
  await bad({ ...set, revision: 1, returnNomatch: true }, /returnNomatch needs revision 2/);
  await bad({ ...set, revision: 2, packetsEq: 5n }, /packetsEq needs revision 3/);
  await bad({ ...set, revision: 2, updateCounters: false }, /updateCounters needs revision 3/);
});

test.run();
