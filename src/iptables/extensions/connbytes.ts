// Match connbytes: how much a flow has carried so far (struct xt_connbytes_info). Needs the accounting of
// conntrack (sysctl net.netfilter.nf_conntrack_acct).

import { badRange } from '../../errors.js';
import { leadingNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { Known, Not, Place, Store, ValueType } from './define.js';
import { both, isNot, match } from './define.js';
import { bigintAt, printRange, rangeOf } from './number-values.js';
import type { Range } from './stores.js';
import { coded, u8, u64 } from './stores.js';
import { oneOf } from './text-values.js';

/** At least this amount, or both ends of a range. */
export type Amount = bigint | Range<bigint>;

export interface ConnbytesMatch extends Known {
  readonly name: 'connbytes';
  /** Packets, bytes, or bytes per packet, as `mode` says. */
  readonly connbytes: Not<Amount>;
  readonly mode: 'packets' | 'bytes' | 'avgpkt';
  /** The direction whose packets count. */
  readonly dir: 'original' | 'reply' | 'both';
}

const max = 0xffff_ffff_ffff_ffffn;

function one(given: unknown, at: Place): bigint {
  const value = bigintAt(given, at.path, 'a bigint or { from, to }');
  if (value < 0n || value > max) throw badRange(at.path, 'an integer of 64 bits', value);
  return value;
}

function ordered(from: bigint, to: bigint, at: Place): Amount {
  if (from > to) throw refused(at.path, `the range ${from}…${to} is reversed`);
  return to === max ? from : { from, to };
}

const amount: ValueType<Amount> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'object' || value === null) return one(value, at);
    const { from, to } = rangeOf(value, at, 'a bigint');
    return ordered(
      one(from, { ...at, path: `${at.path}.from` }),
      one(to, { ...at, path: `${at.path}.to` }),
      at,
    );
  },
  parse(text, at) {
    const [fromText = '', toText, more] = text.split(':');
    const read = (part: string, missing: bigint) => {
      const value = part === '' && toText !== undefined ? missing : whole(part);
      if (value === undefined) throw badRange(at.path, 'from[:[to]] of 64 bits', text);
      return value;
    };
    if (more !== undefined) throw badRange(at.path, 'from[:[to]]', text);
    return ordered(read(fromText, 0n), toText === undefined ? max : read(toText, max), at);
  },
  print: (value) => printRange(value, ':'),
};

function whole(text: string): bigint | undefined {
  const number = leadingNumber(text);
  return number === undefined || number.rest !== '' || number.value > max
    ? undefined
    : number.value;
}

/** The negation is a `from` above `to`: connbytes_mt() in xt_connbytes.c. */
const inverted: Store<boolean> = {
  read: (payload, cx) => u64(0).read(payload, cx)! > u64(8).read(payload, cx)!,
  write(payload, not, cx) {
    if (not === inverted.read(payload, cx)) return;
    const [from, to] = [u64(0).read(payload, cx)!, u64(8).read(payload, cx)!];
    u64(0).write(payload, to, cx);
    u64(8).write(payload, from, cx);
  },
};

const store: Store<Amount> = {
  read(payload, cx) {
    const [a, b] = [u64(0).read(payload, cx)!, u64(8).read(payload, cx)!];
    const [from, to] = a <= b ? [a, b] : [b, a];
    return to === max ? from : { from, to };
  },
  write(payload, value, cx) {
    const { from, to } = typeof value === 'bigint' ? { from: value, to: max } : value;
    u64(0).write(payload, from, cx);
    u64(8).write(payload, to, cx);
  },
};

export const connbytes = match<ConnbytesMatch>({
  name: 'connbytes',
  revision: 0,
  families: both,
  size: 24,
  fields: {
    connbytes: {
      options: ['connbytes'],
      type: amount,
      store,
      invert: inverted,
      required: true,
    },
    mode: {
      options: ['connbytes-mode'],
      type: oneOf(['packets', 'bytes', 'avgpkt']),
      store: coded(u8(16), { packets: 0, bytes: 1, avgpkt: 2 }),
      required: true,
    },
    dir: {
      options: ['connbytes-dir'],
      type: oneOf(['original', 'reply', 'both']),
      store: coded(u8(17), { original: 0, reply: 1, both: 2 }),
      required: true,
    },
  },
  check({ connbytes }, at) {
    if (!isNot(connbytes)) return;
    const value = connbytes.not as Amount;
    const { from, to } = typeof value === 'bigint' ? { from: value, to: max } : value;
    // The payload cannot show the negation in another way.
    if (from === to) throw refused(at.path, 'the kernel cannot negate a single amount');
  },
});
