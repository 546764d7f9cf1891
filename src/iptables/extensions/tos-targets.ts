// Targets TOS and DSCP: change the type-of-service byte (struct xt_tos_target_info, ipt_tos_target_info,
// xt_DSCP_info). Table mangle.

import { badRange, badType } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { ArgumentPlace, Known, Place, Spelling, Store, ValueType } from './define.js';
import { both, ipv4, target } from './define.js';
import { integer, number } from './number-values.js';
import type { Masked } from './stores.js';
import { mapped, masked, u8 } from './stores.js';

export interface TosTarget extends Known {
  readonly name: 'TOS';
  /** The new byte is (old & ~mask) ^ value, both 0…255; without a mask: all bits. */
  readonly setTos: Masked;
}

const all = 0xff;
/** The bits that names set: without the two upper bits of the precedence (iptables 1.8.9). */
const namedBits = 0x3f;
const names: Readonly<Record<string, number>> = {
  'minimize-delay': 0x10,
  'maximize-throughput': 8,
  'maximize-reliability': 4,
  'minimize-cost': 2,
  'normal-service': 0,
};

const hex2 = (value: number) => `0x${value.toString(16).padStart(2, '0')}`;
const reduce = (value: number, mask: number): Masked => (mask === all ? value : { value, mask });

function readTos(text: string, at: Place, revision: 0 | 1): Masked {
  const bits = names[text.toLowerCase()];
  if (bits !== undefined && Object.hasOwn(names, text.toLowerCase())) {
    return revision === 0 ? bits : reduce(bits, namedBits);
  }
  const [value, mask, more] = text.split('/');
  const low = wholeNumber(value!, all);
  const high = mask === undefined ? all : wholeNumber(mask, all);
  if (low === undefined || high === undefined || more !== undefined) {
    throw badRange(at.path, '0…255, value/mask or a name of --help', text);
  }
  if (revision === 0 && high !== all) throw refused(at.path, 'revision 0 knows no mask but 255');
  return reduce(low, high);
}

function tosType(revision: 0 | 1): ValueType<Masked> {
  return {
    arity: 1,
    check(given, at) {
      if (typeof given === 'number') return integer(given, at, 0, all);
      if (typeof given !== 'object' || given === null || !('value' in given && 'mask' in given)) {
        throw badType(at.path, 'a number or { value, mask }', given);
      }
      const value = integer(given.value, { ...at, path: `${at.path}.value` }, 0, all);
      const mask = integer(given.mask, { ...at, path: `${at.path}.mask` }, 0, all);
      if (revision === 0 && mask !== all)
        throw refused(at.path, 'revision 0 knows no mask but 255');
      return reduce(value, mask);
    },
    parse: (text, at) => readTos(text, at, revision),
    print(given) {
      const { value, mask } = typeof given === 'number' ? { value: given, mask: all } : given;
      return revision === 0 ? hex2(value) : `${hex2(value)}/${hex2(mask)}`;
    },
  };
}

function bits(text: string, at: ArgumentPlace): number {
  const value = wholeNumber(text, all);
  if (value === undefined) throw badRange(at.path, 'a number in 0…255', text);
  return value;
}

const operations: readonly Spelling<TosTarget>[] = [
  { option: 'and-tos', field: 'setTos', parse: (text, at) => reduce(0, all & ~bits(text, at)) },
  {
    option: 'or-tos',
    field: 'setTos',
    parse(text, at) {
      const value = bits(text, at);
      return reduce(value, value);
    },
  },
  { option: 'xor-tos', field: 'setTos', parse: (text, at) => reduce(bits(text, at), 0) },
];

/** Revision 0 has no mask. Its type takes only the mask 255. */
const wholeByte: Store<Masked> = mapped(
  u8(0),
  (value): Masked => value,
  (given) => (typeof given === 'number' ? given : given.value),
);

export const TOS0 = target<TosTarget>({
  name: 'TOS',
  revision: 0,
  families: ipv4,
  size: 8,
  tables: ['mangle'],
  fields: {
    setTos: { options: ['set-tos'], required: true, type: tosType(0), store: wholeByte },
  },
});

export const TOS1 = target<TosTarget>({
  name: 'TOS',
  revision: 1,
  families: both,
  size: 8,
  tables: ['mangle'],
  fields: {
    setTos: {
      options: ['set-tos'],
      required: true,
      type: tosType(1),
      store: masked(u8(0), u8(1), all),
    },
  },
  spellings: operations,
});

export interface DscpTarget extends Known {
  readonly name: 'DSCP';
  /** The upper six bits of the byte, 0…63. Text also takes classes: `--set-dscp-class AF11`. */
  readonly setDscp: number;
}

// RFC 2474, 2597 and 3246: class selectors, assured and expedited forwarding.
const classes = new Map<string, number>([
  ['ef', 0x2e],
  ['be', 0],
]);
for (let n = 0; n < 8; n++) classes.set(`cs${n}`, n << 3);
for (let n = 1; n < 5; n++)
  for (let d = 1; d < 4; d++) classes.set(`af${n}${d}`, (n << 3) | (d << 1));

export const DSCP = target<DscpTarget>({
  name: 'DSCP',
  revision: 0,
  families: both,
  size: 8,
  tables: ['mangle'],
  fields: {
    setDscp: { options: ['set-dscp'], required: true, type: number(63, 0, hex2), store: u8(0) },
  },
  spellings: [
    {
      option: 'set-dscp-class',
      field: 'setDscp',
      parse(text, at) {
        const code = classes.get(text.toLowerCase());
        if (code === undefined) throw badRange(at.path, 'EF, BE, CS0…CS7 or AF11…AF43', text);
        return code;
      },
    },
  ],
});
