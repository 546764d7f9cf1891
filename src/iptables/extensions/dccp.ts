// Match dccp: ports, types of packets and an option of DCCP (struct xt_dccp_info).
import type { Known, Not, ValueType } from './define.js';
import { both, match } from './define.js';
import { number, ports } from './number-values.js';
import { portFields } from './range-ports.js';
import type { Range } from './stores.js';
import { bit, bitNames, mapped, u8, u16 } from './stores.js';
import { namesOf } from './text-values.js';

export type DccpType = keyof typeof types;

/** Needs `-p dccp`. */
export interface DccpMatch extends Known {
  readonly name: 'dccp';
  /** Source port or ports. */
  readonly sport?: Not<number | Range>;
  /** Destination port or ports. */
  readonly dport?: Not<number | Range>;
  /** `INVALID`: the types that are reserved. */
  readonly dccpTypes?: Not<readonly DccpType[]>;
  /** An option that the header must have, 1…255. */
  readonly dccpOption?: Not<number>;
}

const types = {
  REQUEST: 1,
  RESPONSE: 2,
  DATA: 4,
  ACK: 8,
  DATAACK: 0x10,
  CLOSEREQ: 0x20,
  CLOSE: 0x40,
  RESET: 0x80,
  SYNC: 0x100,
  SYNCACK: 0x200,
  INVALID: 0xfc00,
} as const;

// iptables resolves these ports with getaddrinfo: decimal numbers, and names of any protocol.
const port = ports(undefined, true, true);
const typeList: ValueType<readonly DccpType[]> = namesOf(Object.keys(types) as DccpType[], {
  anyCase: true,
  lenient: true,
});
const given = (mask: number) => ({ present: bit(8, mask, 16), invert: bit(10, mask, 16) });

export const dccp = match<DccpMatch>({
  name: 'dccp',
  revision: 0,
  families: both,
  size: 16,
  protocols: [33],
  fields: {
    ...portFields(port, given),
    dccpTypes: {
      options: ['dccp-types'],
      type: {
        ...typeList,
        parse: (text, at) => typeList.check(typeList.parse(text, at), at),
      },
      // No text can express an empty list of types.
      store: mapped(
        bitNames(u16(12), types),
        (list) => (list.length > 0 ? list : undefined),
        (list: readonly DccpType[]) => list,
      ),
      ...given(4),
    },
    dccpOption: { options: ['dccp-option'], type: number(255, 1), store: u8(14), ...given(8) },
  },
});
