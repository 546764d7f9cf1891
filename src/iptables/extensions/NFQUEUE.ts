// Target NFQUEUE: the packet waits for a program's verdict (struct xt_NFQ_info and its successors).

import { badRange } from '../../errors.js';
import { refused } from '../text/refused.js';
import type { Known, Place, ValueType } from './define.js';
import { both, target } from './define.js';
import { given, number, printRange, range, rangeOf } from './number-values.js';
import type { Range } from './stores.js';
import { flagBit, u16 } from './stores.js';

export interface NfqueueTarget extends Known {
  readonly name: 'NFQUEUE';
  /** The queue, 0…65535; 0 unless given. Not together with `balance`. */
  readonly num?: number;
  /** Several queues, from the first to the last. Flows are spread over them. Revision 1. */
  readonly balance?: Range;
  /** Let packets pass while no program listens, instead of dropping them. Revision 2. */
  readonly bypass?: true;
  /** Spread by the CPU that handles the packet instead of by flow. With `balance`. Revision 3. */
  readonly cpuFanout?: true;
}

const first = u16(0);
/** queues_total; revision 0 does not have it. */
const total = u16(2);

const queues = range({ max: 65535 });

function enough({ from, to }: Range, at: Place): Range {
  if (from >= to) throw refused(at.path, `the range ${from}…${to} is not from lower to higher`);
  // The number of queues is stored in 16 bits; 65536 becomes 0, which nfqueue_tg_check() refuses.
  if (to - from === 65535) throw refused(at.path, 'at most 65535 queues');
  return { from, to };
}

const balance: ValueType<Range> = {
  arity: 1,
  check(value, at) {
    const ends = rangeOf(value, at, 'the first and the last queue:');
    const one = number(65535);
    const from = one.check(ends.from, { ...at, path: `${at.path}.from` });
    return enough({ from, to: one.check(ends.to, { ...at, path: `${at.path}.to` }) }, at);
  },
  parse(text, at) {
    if (!text.includes(':')) throw badRange(at.path, 'two queues with : between', text);
    const both = queues.parse(text, at);
    return enough(typeof both === 'number' ? { from: both, to: both } : both, at);
  },
  print: (value) => printRange(value, ':'),
};

const absent = { read: () => undefined, write: () => void 0 };

function NFQUEUE(revision: 0 | 1 | 2 | 3) {
  return target<NfqueueTarget>({
    name: 'NFQUEUE',
    revision,
    families: both,
    size: 8,
    fields: {
      num: {
        options: ['queue-num'],
        type: number(65535),
        store: {
          read: (payload, cx) =>
            revision === 0 || total.read(payload, cx) === 1 ? first.read(payload, cx) : undefined,
          write(payload, value, cx) {
            first.write(payload, value, cx);
            if (revision > 0) total.write(payload, 1, cx);
          },
        },
        default: 0,
        shown: true,
        excludes: ['balance'],
        print: (value) => `--queue-num ${value}`,
      },
      balance: {
        ...(revision > 0 && { options: ['queue-balance'] }),
        type: balance,
        store:
          revision === 0
            ? absent
            : {
                read(payload, cx) {
                  const count = total.read(payload, cx)!;
                  const from = first.read(payload, cx)!;
                  return count < 2 ? undefined : { from, to: from + count - 1 };
                },
                write(payload, { from, to }, cx) {
                  first.write(payload, from, cx);
                  total.write(payload, to - from + 1, cx);
                },
              },
      },
      bypass: {
        ...(revision > 1 && { options: ['queue-bypass'] }),
        type: given,
        store: revision > 1 ? flagBit(4, 1, 16) : absent,
      },
      cpuFanout: {
        ...(revision > 2 && { options: ['queue-cpu-fanout'] }),
        type: given,
        store: revision > 2 ? flagBit(4, 2, 16) : absent,
        requires: ['balance'],
      },
    },
    check(value, at) {
      const needs = { balance: 1, bypass: 2, cpuFanout: 3 };
      for (const [field, least] of Object.entries(needs) as [keyof typeof needs, number][]) {
        if (value[field] !== undefined && revision < least) {
          throw refused(at.path, `${field} needs revision ${least}, not ${revision}`);
        }
      }
    },
  });
}

export const NFQUEUE0 = NFQUEUE(0);
export const NFQUEUE1 = NFQUEUE(1);
export const NFQUEUE2 = NFQUEUE(2);
export const NFQUEUE3 = NFQUEUE(3);
