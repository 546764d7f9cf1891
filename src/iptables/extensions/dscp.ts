// Match dscp: the upper six bits of the TOS field or traffic class (struct xt_dscp_info).
import { badRange } from '../../errors.js';
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { number } from './number-values.js';
import { bit, u8 } from './stores.js';

export interface DscpMatch extends Known {
  readonly name: 'dscp';
  /** The code point, 0…63. Text also takes `--dscp-class` with a name: BE, EF, CS0…CS7, AF11…AF43. */
  readonly dscp: Not<number>;
}

/** The code point of a class by RFC 2474, 2597 and 3246. */
export function dscpClass(name: string): number | undefined {
  const text = name.toUpperCase();
  if (text === 'BE') return 0;
  if (text === 'EF') return 46;
  const selector = /^CS([0-7])$/.exec(text);
  if (selector !== null) return Number(selector[1]) * 8;
  const assured = /^AF([1-4])([1-3])$/.exec(text);
  return assured === null ? undefined : Number(assured[1]) * 8 + Number(assured[2]) * 2;
}

/** Reads the argument of `--dscp-class` and `--set-dscp-class`. */
export function readDscpClass(text: string, path: string): number {
  const value = dscpClass(text);
  if (value === undefined) throw badRange(path, 'one of BE, EF, CS0…CS7, AF11…AF43', text);
  return value;
}

export const dscpNumber = number(63, 0, (value) => `0x${value.toString(16).padStart(2, '0')}`);

export const dscp = match<DscpMatch>({
  name: 'dscp',
  revision: 0,
  families: both,
  size: 8,
  fields: {
    dscp: {
      options: ['dscp'],
      type: dscpNumber,
      store: u8(0),
      invert: bit(1, 1),
      required: true,
    },
  },
  spellings: [
    {
      option: 'dscp-class',
      invertible: true,
      field: 'dscp',
      excludes: ['dscp'],
      parse: (text, at) => readDscpClass(text, at.path),
    },
  ],
});
