// The kernels that old-kernels-*.test.ts pretend are what they say (test/support/old-kernel). Each request here is one
// that a kernel of some release answers in another way than a later one, sent without the package. What the release of
// the real kernel does is compared with the real kernel.
import { conntrack, type FlowObject } from '../../src/index.js';
import { inOrder, takenFilter } from '../support/flow-filters.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { OldKernel, type Payload, RawKernel, type RawRequest } from '../support/old-kernel.js';
import { fill, useLabels } from '../support/populate.js';
import { Random } from '../support/random.js';

const test = suite('kernels of other releases');
const seed = Number(process.env.FILTER_SEED ?? Date.now() % 1_000_000);

const hex = (value: number, bytes: number) => value.toString(16).padStart(2 * bytes, '0');
const v4 = (address: string) =>
  address
    .split('.')
    .map((part) => hex(Number(part), 1))
    .join('');
/** A number in the byte order of the machine, as the flags of CTA_FILTER are. */
const host = (value: number) => Buffer.from(new Uint32Array([value]).buffer).toString('hex');

type Attributes = Exclude<Payload, string>;
const zone = (value: number): Attributes => [[18, hex(value, 2)]];
const mark = (value: number): Attributes => [
  [8, hex(value, 4)],
  [21, hex(0xffffffff, 4)],
];
const markMaskAlone: Attributes = [[21, hex(1, 4)]];
/** ASSURED, with its mask. */
const assured: Attributes = [
  [3, hex(4, 4)],
  [26, hex(4, 4)],
];
const emptyFilter: Attributes = [[25, []]];
const filter = (orig: number, reply: number): Attributes => [
  [
    25,
    [
      [1, host(orig)],
      [2, host(reply)],
    ],
  ],
];
const source = 1; // the flag CTA_FILTER_F_CTA_IP_SRC
const tuple = (side: 1 | 2, src: string): Attributes => [
  [side, [[1, [src.length === 32 ? [3, src] : [1, src]]]]],
];

const side = { src: '10.1.0.1', dst: '10.2.0.1', srcPort: 1000, dstPort: 53 };
const six = { src: 'fd0a::1', dst: 'fd0a::2', srcPort: 1000, dstPort: 53 };
const sixBytes = `fd0a${'0'.repeat(26)}01`;
const made = {
  marked: { orig: side, mark: 5 },
  zoned: { orig: { ...side, src: '10.1.0.2' }, zone: 9 },
  six: { orig: six },
  otherSix: { orig: { ...six, src: 'fd0a::3' } },
  assured: { orig: { ...side, src: '10.1.0.3' }, status: 'assured' as const },
};
type Name = keyof typeof made;
const all = Object.keys(made) as Name[];

/** Empties the table and makes all flows again. Returns a function that names the flows of some ids. */
async function refill(): Promise<(ids: Iterable<number>) => Name[]> {
  await conntrack.flush();
  for (const flow of Object.values(made)) {
    await conntrack.create({ ...flow, protocol: 'udp', timeout: 600 });
  }
  const names = new Map<number, Name>();
  for (const { id, orig, zone: of } of await conntrack.dump()) {
    const name = all.find((one) => {
      const flow = made[one];
      return flow.orig.src === orig.src && (('zone' in flow && flow.zone) || 0) === of;
    });
    names.set(id!, name!);
  }
  return (ids) => all.filter((name) => [...ids].some((id) => names.get(id) === name));
}

async function left(named: (ids: Iterable<number>) => Name[]): Promise<Name[]> {
  return named(Array.from(await conntrack.dump(), ({ id }) => id!));
}

const kernels = new Map<string, RawKernel>();

/** That kernel, or the real one. */
function kernel(release: string): RawKernel {
  let one = kernels.get(release);
  if (one === undefined) {
    one = new RawKernel(release === 'real' ? undefined : release);
    kernels.set(release, one);
  }
  return one;
}

/** What a release leaves of the table, or the error of a refusal. `real` is the kernel of this machine. */
type Answers = Record<string, readonly Name[] | number>;
const but = (...names: Name[]) => all.filter((name) => !names.includes(name));

const flushes: [what: string, request: Omit<RawRequest, 'message'>, answers: Answers][] = [
  ['everything', { attributes: [] }, { 5.4: [], 6.18: [], real: [] }],
  [
    'by zone',
    { attributes: zone(9) },
    { 5.4: [], 5.15: [], 6.7: [], 6.8: but('zoned'), 6.18: but('zoned'), real: but('zoned') },
  ],
  [
    'by status',
    { attributes: assured },
    { 5.4: [], 5.14: [], 5.15: but('assured'), 6.18: but('assured'), real: but('assured') },
  ],
  [
    'by mark',
    { attributes: mark(5) },
    { 5.4: but('marked'), 5.8: but('marked'), 6.18: but('marked'), real: but('marked') },
  ],
  [
    'by mark, with an empty CTA_FILTER',
    { attributes: [...mark(5), ...emptyFilter] },
    { 5.7: but('marked'), 5.8: 95, 6.11: 95, 6.12: but('marked'), real: but('marked') },
  ],
  [
    'by zone, with an empty CTA_FILTER',
    { attributes: [...zone(9), ...emptyFilter] },
    { 5.7: [], 5.8: 95, 6.11: 95, 6.12: but('zoned'), real: but('zoned') },
  ],
  [
    'an empty CTA_FILTER and a mask without its mark',
    { attributes: [...markMaskAlone, ...emptyFilter] },
    { 5.7: [], 5.8: 95, 6.11: 95, 6.12: 22, real: 22 },
  ],
  [
    'by family',
    { family: 10, attributes: [] },
    { 5.4: but('six', 'otherSix'), 6.18: but('six', 'otherSix'), real: but('six', 'otherSix') },
  ],
  ['by family, with version 0', { family: 10, version: 0, attributes: [] }, { 5.4: [], real: [] }],
  [
    'by the source of the original tuple',
    { family: 2, attributes: [...tuple(1, v4('10.1.0.1')), ...filter(source, 0)] },
    // Before 6.12 it is the deletion of one flow, whose tuple is not complete.
    { 5.7: 22, 5.8: 22, 6.11: 22, 6.12: but('marked'), real: but('marked') },
  ],
  [
    'by the source of an IPv6 tuple: the wrong flows',
    { family: 10, attributes: [...tuple(1, sixBytes), ...filter(source, 0)] },
    { 6.11: 22, 6.12: but('otherSix'), real: but('otherSix') },
  ],
];

for (const [what, request, answers] of flushes) {
  test(`flush: ${what}`, async () => {
    for (const [release, expected] of Object.entries(answers)) {
      const named = await refill();
      const { code } = await kernel(release).ask({ ...request, message: 2 });
      const got = code === 0 ? await left(named) : code;
      assert.equal(got, expected, release);
      if (code !== 0) assert.equal(await left(named), all, release);
    }
  });
}

const dumps: [what: string, request: Omit<RawRequest, 'message'>, answers: Answers][] = [
  ['everything', { attributes: [] }, { 5.4: all, 6.18: all, real: all }],
  ['by zone', { attributes: zone(9) }, { 5.4: all, 6.7: all, 6.8: ['zoned'], real: ['zoned'] }],
  [
    'by zone 0',
    { attributes: zone(0) },
    { 5.4: all, 6.7: all, 6.8: but('zoned'), real: but('zoned') },
  ],
  [
    'by status',
    { attributes: assured },
    { 5.4: all, 5.14: all, 5.15: ['assured'], real: ['assured'] },
  ],
  ['by mark', { attributes: mark(5) }, { 5.4: ['marked'], 5.8: ['marked'], real: ['marked'] }],
  [
    'a mask without its mark, and nothing else',
    { attributes: markMaskAlone },
    { 5.4: all, 5.8: all, real: all },
  ],
  [
    'a mask without its mark, and a family',
    { family: 10, attributes: markMaskAlone },
    { 5.4: ['six', 'otherSix'], 5.8: 22, real: 22 },
  ],
  [
    'by the source of the original tuple',
    { family: 2, attributes: [...tuple(1, v4('10.1.0.1')), ...filter(source, 0)] },
    { 5.7: ['marked', 'zoned', 'assured'], 5.8: ['marked'], real: ['marked'] },
  ],
  [
    'by tuple, without a family',
    { attributes: [...tuple(1, v4('10.1.0.1')), ...filter(source, 0)] },
    { 5.7: all, 5.8: 95, real: 95 },
  ],
  [
    'by the source of the reply tuple: nothing before 5.16',
    { family: 2, attributes: [...tuple(2, v4('10.2.0.1')), ...filter(0, source)] },
    {
      5.7: ['marked', 'zoned', 'assured'],
      5.8: [],
      5.15: [],
      5.16: ['marked', 'zoned', 'assured'],
      real: ['marked', 'zoned', 'assured'],
    },
  ],
  [
    'by the source of both tuples: right also before 5.16',
    {
      family: 2,
      attributes: [
        ...tuple(1, v4('10.1.0.3')),
        ...tuple(2, v4('10.2.0.1')),
        ...filter(source, source),
      ],
    },
    { 5.8: ['assured'], 5.16: ['assured'], real: ['assured'] },
  ],
  [
    'by the source of an IPv6 tuple: the wrong flows',
    { family: 10, attributes: [...tuple(1, sixBytes), ...filter(source, 0)] },
    { 5.8: ['otherSix'], 5.15: ['otherSix'], real: ['otherSix'] },
  ],
  [
    'a flag that does not exist',
    { family: 2, attributes: filter(2 ** 31, 0) },
    { 5.7: ['marked', 'zoned', 'assured'], 5.8: 95 },
  ],
];

for (const [what, request, answers] of dumps) {
  test(`dump: ${what}`, async () => {
    const named = await refill();
    for (const [release, expected] of Object.entries(answers)) {
      const { code, ids } = await kernel(release).ask({ ...request, message: 1, dump: true });
      assert.equal(code === 0 ? named(ids) : code, expected, release);
    }
  });
}

test(`it sends what the real kernel sends, for random filters (seed ${seed})`, async () => {
  await conntrack.flush();
  fill({ count: 320, seed: 7, labels: true });
  fill({ count: 64, seed: 7, labels: true, zone: 9 });
  const flows: FlowObject[] = inOrder((await conntrack.dump()).toArray());
  await using pretended = new OldKernel('6.18');
  const random = new Random(seed);
  let rejected = 0;
  for (let i = 0; i < 200; i++) {
    const wanted = takenFilter(random, flows);
    const real = await conntrack.dump(wanted);
    const { ids, stats } = await pretended.call('dump', wanted);
    const text = JSON.stringify(wanted);
    assert.equal(
      ids,
      Array.from(real, ({ id }) => id!),
      text,
    );
    assert.is(stats!.messages, real.stats.messages, text);
    assert.is(stats!.rejected, real.stats.rejected, text);
    rejected += real.stats.rejected;
  }
  // Some filters leave work to this process, and not all.
  assert.ok(rejected > 0 && rejected < 200 * flows.length);
});

test.before(() => useLabels(Netns.current));
test.after(async () => {
  for (const one of kernels.values()) await one[Symbol.asyncDispose]();
});

test.run();
