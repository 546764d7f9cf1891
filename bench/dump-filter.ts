// dump() with a filter that has a set of ten thousand prefixes, against dump() without a filter. Half of the flows match:
// each row is looked up in the set, and half of them are kept.
import { type Addresses, conntrack } from '../src/index.js';
import { type Bench, million } from './lib/bench.js';
import { contest, timed } from './lib/contest.js';
import { eachSize } from './lib/table.js';

const prefixes = 10_000;
const ours = `dump() by ${prefixes.toLocaleString('en-US')} prefixes`;
const plain = 'dump()';

const dotted = (address: number) =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');

/** Prefixes with a gap after each, which have about half of the sources of the table. */
function halfOf(sources: Uint32Array): Addresses {
  const sorted = Uint32Array.from(new Set(sources)).sort();
  const [first, last] = [sorted[0]!, sorted.at(-1)!];
  // The whole range is cut into blocks. Every second one is a prefix.
  const block = 2 ** Math.max(0, Math.ceil(Math.log2((last - first + 1) / (2 * prefixes))));
  const bits = 32 - Math.log2(block);
  const start = first - (first % (2 * block));
  return Array.from({ length: prefixes }, (_, i) => `${dotted(start + i * 2 * block)}/${bits}`);
}

export const bench: Bench = {
  name: 'dump-filter',
  about: 'dump() with a set of ten thousand prefixes',
  async run(context) {
    await eachSize(context, async (size) => {
      const whole = await conntrack.dump();
      const src = halfOf(whole.columns.origSrc);
      const wanted = whole.filter({ src }).length;
      if (wanted < size / 10 || wanted > size * 0.9) {
        throw new Error(`the prefixes have ${wanted} of ${size} flows`);
      }
      const values = await contest(
        {
          [ours]: () =>
            timed(async () => {
              const batch = await conntrack.dump({ src });
              if (batch.length !== wanted) throw new Error(`saw ${batch.length} of ${wanted}`);
            }),
          [plain]: () =>
            timed(async () => {
              const batch = await conntrack.dump();
              if (batch.length !== size) throw new Error(`saw ${batch.length} of ${size}`);
            }),
        },
        { rounds: context.rounds },
      );
      const commands = {
        [ours]: 'await conntrack.dump({ src })',
        [plain]: 'await conntrack.dump()',
      };
      context.report({
        what: 'flows by a set of prefixes',
        size,
        contestants: Object.entries(values).map(([name, measured]) => ({
          name,
          command: commands[name]!,
          unit: 'ns',
          ...measured,
        })),
        compare: { a: ours, b: plain },
        bar: { text: '≤ 1.15 × dump()', kind: 'at most', limit: 1.15, size: million },
      });
    });
  },
};
