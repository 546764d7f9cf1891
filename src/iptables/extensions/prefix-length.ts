// Prefix lengths of addresses, by which connlimit and hashlimit group. Not an extension.
import { badRange } from '../../errors.js';
import { maskPrefix, parseMask } from '../text/addresses.js';
import type { Codec, ValueType } from './define.js';
import { integer } from './number-values.js';

/** The bits of an address. */
export const bits = (cx: Pick<Codec, 'family'>) => (cx.family === 'ipv4' ? 32 : 128);

/** A length; in text also a mask. */
export const prefixLength: ValueType<number> = {
  arity: 1,
  check: (value, at) => integer(value, at, 0, bits(at)),
  parse(text, at) {
    const mask = parseMask(text, at.family);
    const length = mask === undefined ? undefined : maskPrefix(mask);
    if (length === undefined) {
      throw badRange(at.path, `a prefix length in 0…${bits(at)}, or a mask that is one`, text);
    }
    return length;
  },
  print: String,
};
