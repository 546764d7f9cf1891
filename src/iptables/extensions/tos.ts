// Match tos: the TOS field of IPv4, the traffic class of IPv6 (struct xt_tos_match_info; revision 0 was
// struct ipt_tos_info, IPv4 only).
import { badRange, badType } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import type { Known, Not, ValueType } from './define.js';
import { both, ipv4, match } from './define.js';
import { integer } from './number-values.js';
import type { Masked } from './stores.js';
import { bit, masked, u8 } from './stores.js';

export interface TosMatch extends Known {
  readonly name: 'tos';
  /**
   * The whole byte, or `{ value, mask }`, 0…255 each. Text also takes `Minimize-Delay` (0x10), `Maximize-Throughput`
   * (0x08), `Maximize-Reliability` (0x04), `Minimize-Cost` (0x02) and `Normal-Service` (0), all with mask 0x3f.
   */
  readonly tos: Not<Masked>;
}

/** The names of TOS values. Each extension knows the mask for them. */
export const tosNames: Readonly<Record<string, number>> = {
  'minimize-delay': 0x10,
  'maximize-throughput': 0x08,
  'maximize-reliability': 0x04,
  'minimize-cost': 0x02,
  'normal-service': 0,
};
/** The mask of a name. */
const namedMask = 0x3f;
const octet = (value: number) => `0x${value.toString(16).padStart(2, '0')}`;

const type: ValueType<Masked> = {
  arity: 1,
  check(value, at) {
    if (typeof value === 'number') return integer(value, at, 0, 255);
    if (typeof value !== 'object' || value === null || !('value' in value && 'mask' in value)) {
      throw badType(at.path, 'a number or { value, mask }', value);
    }
    const bits = integer(value.value, { ...at, path: `${at.path}.value` }, 0, 255);
    const mask = integer(value.mask, { ...at, path: `${at.path}.mask` }, 0, 255);
    return mask === 255 ? bits : { value: bits, mask };
  },
  parse(text, at) {
    const named = tosNames[text.toLowerCase()];
    if (named !== undefined) return { value: named, mask: namedMask };
    const [first, second, more] = text.split('/');
    const value = wholeNumber(first!, 255);
    const mask = second === undefined ? 255 : wholeNumber(second, 255);
    if (value === undefined || mask === undefined || more !== undefined) {
      throw badRange(at.path, 'value[/mask] of 0…255 each, or a name like Minimize-Delay', text);
    }
    return mask === 255 ? value : { value, mask };
  },
  print: (tos) =>
    typeof tos === 'number' ? `${octet(tos)}/0xff` : `${octet(tos.value)}/${octet(tos.mask)}`,
};

export const tos1 = match<TosMatch>({
  name: 'tos',
  revision: 1,
  families: both,
  size: 8,
  fields: {
    tos: {
      options: ['tos'],
      type,
      store: masked(u8(1), u8(0), 255),
      invert: bit(2, 1),
      required: true,
    },
  },
});

export const tos0 = match<TosMatch>({
  name: 'tos',
  revision: 0,
  families: ipv4,
  size: 8,
  fields: {
    tos: {
      options: ['tos'],
      type: {
        ...type,
        // This payload has no mask. A name means only the value, as in the old match.
        check: (value, at) => integer(value, at, 0, 255),
        parse(text, at) {
          const parsed = type.parse(text, at);
          return typeof parsed === 'number' || text.includes('/') ? parsed : parsed.value;
        },
        print: (tos) => octet(tos as number),
      },
      store: u8(0) as ReturnType<typeof masked>,
      invert: bit(1, 1),
      required: true,
    },
  },
});
