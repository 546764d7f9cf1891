// Match set, with the sets of the namespace.
import { spawnSync } from 'node:child_process';
import { formatRule, parseRule } from '../../src/iptables/rule/text.js';
import type { SetNames } from '../../src/iptables/text/host-names.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite, throws } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';

const test = suite('iptables codec: set');
const longest = 's'.repeat(31);
/** In a new namespace the kernel counts from 0. */
const names = ['first', 'counted', 'list', longest];
const sets: SetNames = {
  indexOf: (name) => (names.includes(name) ? names.indexOf(name) : undefined),
  nameOf: (index) => names[index],
};

test.before(() => {
  for (const words of [
    ['create', names[0]!, 'hash:ip'],
    ['create', names[1]!, 'hash:ip', 'counters'],
    ['create', names[2]!, 'list:set'],
    ['create', longest, 'hash:ip'],
  ]) {
    const done = spawnSync('ipset', words, { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`ipset ${words.join(' ')}: ${done.stderr}`);
  }
});

const set = (rest: string) => `-m set --match-set ${rest}`;
const counters = ['packets', 'bytes'].flatMap((word) => [
  ...['0', '5', '18446744073709551615', '0x10'].flatMap((value) => [
    set(`counted src --${word}-eq ${value}`),
    set(`counted src ! --${word}-eq ${value}`),
    set(`counted src --${word}-lt ${value}`),
    set(`counted src --${word}-gt ${value}`),
  ]),
]);

conformance(test, 'set', {
  families: ['ipv4'],
  sets,
  valid: [
    ...['src', 'dst', 'src,dst', 'dst,src,src', 'src,src,src,dst,dst,dst'].flatMap((flags) => [
      set(`first ${flags}`),
      `-m set ! --match-set first ${flags}`,
    ]),
    set('list src'),
    set(`${longest} dst`),
    '-m set --set first src',
    '-m set ! --set counted src,dst',
    set('first src --return-nomatch'),
    '-m set --return-nomatch --match-set first src',
    set('first src ! --update-counters'),
    set('first src --update-counters'),
    set('list src ! --update-subcounters'),
    set('list src --update-subcounters'),
    '-m set ! --update-counters --match-set first src',
    ...counters,
    set('counted src --packets-gt 5 --bytes-lt 7'),
    set('counted src ! --bytes-eq 5 ! --packets-eq 7'),
    '-m set ! --match-set counted src ! --update-counters ! --update-subcounters --packets-gt 5 --bytes-lt 7 --return-nomatch',
    '-m set --packets-gt 5 --match-set counted src',
    '-m set --match-set first src -m set ! --match-set counted dst --bytes-gt 1',
  ],
  invalid: [
    '-m set',
    '-m set --packets-eq 5',
    set('first'),
    set('nosuch src'),
    set('"" src'),
    set(`${longest}s src`),
    ...['foo', 'SRC', 'src,', '""', 'src dst', 'src,src,src,dst,dst,dst,src'].map((flags) =>
      set(`first ${flags}`),
    ),
    set('first src --match-set counted dst'),
    set('first src --set counted dst'),
    set('first src ! --return-nomatch'),
    set('counted src ! --packets-lt 5'),
    set('counted src ! --bytes-gt 5'),
    set('counted src --packets-gt 5 --packets-lt 6'),
    set('counted src --packets-eq 5 --packets-lt 6'),
    set('counted src --bytes-lt 5 --bytes-gt 4'),
    ...['18446744073709551616', 'x', '-1', '""'].map((value) =>
      set(`counted src --bytes-eq ${value}`),
    ),
  ],
  random: (random) =>
    [
      `-m set ${random.not()}--match-set ${random.pick(names)} `,
      Array.from({ length: 1 + random.int(6) }, () => random.pick(['src', 'dst'])).join(),
      random.maybe(30, () => '--return-nomatch'),
      random.maybe(30, () => '! --update-counters'),
      random.maybe(30, () => '! --update-subcounters'),
      random.maybe(30, () => `--packets-${random.pick(['eq', 'lt', 'gt'])} ${random.u32()}`),
      random.maybe(30, () => `${random.chance(40) ? '! ' : ''}--bytes-eq ${random.u32()}`),
    ].join(''),
});

test('without its set the match is raw, and the package does not remember its old name', () => {
  const raw = encodeRule(parseRule(set('first src'), { sets }), { sets });
  const gone = decodeRule(raw, { sets: { indexOf: () => undefined, nameOf: () => undefined } });
  const [found] = gone.matches;
  assert.ok(found?.name === 'raw');
  assert.is(found.data.length, 48);
  assert.equal(encodeRule(gone), raw);
  const other = decodeRule(raw, { sets: { indexOf: () => 0, nameOf: () => 'other' } });
  assert.equal(other.matches[0], { name: 'set', matchSet: 'other', flags: ['src'] });
  assert.is(decodeRule(raw, { sets }).toString(), set('first src'));
});

test('a rule with a set is refused without the names of sets', async () => {
  const match = { name: 'set', matchSet: 'first', flags: ['src'] } as const;
  await throws(RangeError, /^rule\.matches\[0\]\.matchSet: .*kernel/, () =>
    encodeRule({ matches: [match] }),
  );
  await throws(RangeError, /^rule\.matches\[0\]\.matchSet: .*exists/, () =>
    encodeRule({ matches: [{ ...match, matchSet: 'nosuch' }] }, { sets }),
  );
  await throws(RangeError, /^-m set --match-set: /, () => parseRule(set('first src')));
  await throws(RangeError, /flags\[1\]: expected 'src' or 'dst'/, () =>
    formatRule(
      { matches: [{ ...match, flags: ['src', 'both' as 'src'] }] },
      { family: 'ipv4', sets },
    ),
  );
});

test.run();
