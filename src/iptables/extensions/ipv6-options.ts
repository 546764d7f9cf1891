// Matches hbh and dst: the hop-by-hop and the destination options of IPv6 (struct ip6t_opts).

import { badRange, badType } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { ArgumentPlace, Known, Not, Place, Store, ValueType } from './define.js';
import { ipv6, match } from './define.js';
import { integer, number } from './number-values.js';
import { onlyFields } from './only-fields.js';
import { bit, u8, u16, u32 } from './stores.js';

/**
 * An option by its type, 0…255, with any length; or with one length, 0…254. Pad1 (0) has no length, and the last of
 * 16 options cannot have one.
 */
export type Ipv6Option = number | { readonly type: number; readonly length: number };

interface Options extends Known {
  /** Length of the header in bytes, a multiple of 8 in real packets. */
  readonly length?: Not<number>;
  /** Options that the header must have, in this order, at most 16. */
  readonly options?: readonly Ipv6Option[];
}

/** Hop-by-hop options. */
export interface HbhMatch extends Options {
  readonly name: 'hbh';
}

/** Destination options. */
export interface DstMatch extends Options {
  readonly name: 'dst';
}

const slots = 16;
const anyLength = 255;

function enough(list: readonly Ipv6Option[], path: string): readonly Ipv6Option[] {
  if (list.length === 0) throw badRange(path, 'at least one option', list);
  if (list.length > slots) throw refused(path, `${list.length} options, more than ${slots}`);
  const reason = unsayable(list);
  if (reason !== undefined) throw refused(path, reason);
  return list;
}

/** Why no text can express a list. iptables refuses it, although the kernel would take it. */
function unsayable(list: readonly Ipv6Option[]): string | undefined {
  const lengths = list.map((each) => typeof each !== 'number');
  if (lengths[slots - 1]) return `option ${slots} cannot have a length`;
  const pad = list.some((each) => typeof each !== 'number' && each.type === 0);
  return pad ? 'an option of type 0 (Pad1) has no length' : undefined;
}

function oneOption(given: unknown, at: Place): Ipv6Option {
  if (typeof given === 'number') return integer(given, at, 0, 255);
  if (typeof given !== 'object' || given === null || !('type' in given && 'length' in given)) {
    throw badType(at.path, 'a number or { type, length }', given);
  }
  onlyFields(given, at.path, ['type', 'length']);
  return {
    type: integer(given.type, { ...at, path: `${at.path}.type` }, 0, 255),
    length: integer(given.length, { ...at, path: `${at.path}.length` }, 0, 254),
  };
}

function readOption(text: string, at: ArgumentPlace): Ipv6Option {
  const cut = text.indexOf(':');
  const type = wholeNumber(cut < 0 ? text : text.slice(0, cut), 255);
  const length = cut < 0 ? anyLength : wholeNumber(text.slice(cut + 1), 255);
  if (type === undefined || length === undefined) {
    throw badRange(at.path, 'types of options, or type:length, with commas between', text);
  }
  if (cut >= 0 && type === 0) throw refused(at.path, 'an option of type 0 (Pad1) has no length');
  return length === anyLength ? type : { type, length };
}

const list: ValueType<readonly Ipv6Option[]> = {
  arity: 1,
  check(value, at) {
    if (!Array.isArray(value)) throw badType(at.path, 'an array of options', value);
    const options = value.map((each: unknown, index) =>
      oneOption(each, { ...at, path: `${at.path}[${index}]` }),
    );
    return enough(options, at.path);
  },
  parse(text, at) {
    const parts = text.split(',');
    if (parts[slots - 1]?.includes(':'))
      throw refused(at.path, `option ${slots} cannot have a length`);
    return enough(
      parts.map((part) => readOption(part, at)),
      at.path,
    );
  },
  print: (value) =>
    value.map((each) => (typeof each === 'number' ? each : `${each.type}:${each.length}`)).join(),
};

const listStore: Store<readonly Ipv6Option[]> = {
  read(payload, cx) {
    const count = u8(38).read(payload, cx)!;
    if (count === 0 || count > slots) return undefined;
    const options = Array.from({ length: count }, (_, slot): Ipv6Option => {
      const both = u16(6 + 2 * slot).read(payload, cx)!;
      const [type, length] = [both >> 8, both & 255];
      return length === anyLength ? type : { type, length };
    });
    const reason = unsayable(options);
    if (reason !== undefined) throw new Error(reason);
    return options;
  },
  write(payload, options, cx) {
    for (const [slot, each] of options.entries()) {
      const [type, length] =
        typeof each === 'number' ? [each, anyLength] : [each.type, each.length];
      u16(6 + 2 * slot).write(payload, (type << 8) | length, cx);
    }
    u8(38).write(payload, options.length, cx);
  },
};

const header = (name: string) => ({
  revision: 0,
  families: ipv6,
  size: 40,
  fields: {
    length: {
      options: [`${name}-len`],
      type: number(0xffffffff),
      store: u32(0),
      present: bit(4, 1),
      invert: bit(5, 1),
    },
    options: { options: [`${name}-opts`], type: list, store: listStore, present: bit(4, 2) },
  },
});

export const hbh = match<HbhMatch>({ name: 'hbh', ...header('hbh') });
export const dst = match<DstMatch>({ name: 'dst', ...header('dst') });
