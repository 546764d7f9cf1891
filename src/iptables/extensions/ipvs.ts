// Match ipvs: what IPVS, the load balancer, knows about a packet's connection (struct xt_ipvs_mtinfo).

import { badRange } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { Known, Not, Store, ValueType } from './define.js';
import { both, match } from './define.js';
import { hasOddMask, hostsBare, networkField, networkType } from './networks.js';
import { given, number, onePort } from './number-values.js';
import { be16, bit, coded, u8 } from './stores.js';
import { oneOf } from './text-values.js';

/** At least one of its fields. */
export interface IpvsMatch extends Known {
  readonly name: 'ipvs';
  /** The packet belongs to a connection of IPVS. All other fields imply this. */
  readonly ipvs?: Not<true>;
  /** Protocol of the virtual service, 0…255. */
  readonly vproto?: Not<number>;
  /** Address or network of the virtual service. */
  readonly vaddr?: Not<string>;
  /** Port of the virtual service. */
  readonly vport?: Not<number>;
  readonly vdir?: 'ORIGINAL' | 'REPLY';
  /** How IPVS forwards: direct routing, a tunnel, or changed addresses. */
  readonly vmethod?: Not<'GATE' | 'IPIP' | 'MASQ'>;
  /** Virtual port of the controlling connection: 21 for the data of FTP. */
  readonly vportctl?: Not<number>;
}

const flags = { ipvs: 1, vproto: 2, vaddr: 4, vport: 8, vdir: 16, vmethod: 32, vportctl: 64 };

const protocol: ValueType<number> = {
  ...number(255),
  parse(text, at) {
    const value = wholeNumber(text, 255) ?? at.names.protocolNumber(text.toLowerCase());
    if (value === undefined) throw badRange(at.path, 'a protocol name, or 0…255', text);
    return value;
  },
};

/** An option that implies `--ipvs`. */
function implies<T>(key: keyof typeof flags, store: Store<T>) {
  const own = bit(39, flags[key]);
  return {
    store,
    present: {
      read: own.read,
      write(payload: DataView, on: boolean, cx: Parameters<typeof own.write>[2]) {
        own.write(payload, on, cx);
        bit(39, flags.ipvs).write(payload, on, cx);
      },
    },
    invert: bit(38, flags[key]),
  };
}

const direction = implies<'ORIGINAL' | 'REPLY'>('vdir', {
  read: (payload, cx) => (bit(38, flags.vdir).read(payload, cx) ? 'REPLY' : 'ORIGINAL'),
  write: (payload, value, cx) => bit(38, flags.vdir).write(payload, value === 'REPLY', cx),
});

export const ipvs = match<IpvsMatch>({
  name: 'ipvs',
  revision: 0,
  families: both,
  size: 40,
  unsaid: hasOddMask,
  meaning: hostsBare,
  fields: {
    // Only if no other field is given. Then no other bit is set.
    ipvs: {
      options: ['ipvs'],
      type: given,
      store: {
        read: (payload, cx) => (u8(39).read(payload, cx) === flags.ipvs ? true : undefined),
        write: (payload, on, cx) => bit(39, flags.ipvs).write(payload, on, cx),
      },
      invert: bit(38, flags.ipvs),
    },
    vproto: { options: ['vproto'], type: protocol, ...implies('vproto', u8(34)) },
    vaddr: { options: ['vaddr'], type: networkType, ...implies('vaddr', networkField(0, 16)) },
    vport: { options: ['vport'], type: onePort, ...implies('vport', be16(32)) },
    vdir: {
      options: ['vdir'],
      type: oneOf(['ORIGINAL', 'REPLY'], { anyCase: true }),
      store: direction.store,
      present: direction.present,
    },
    vmethod: {
      options: ['vmethod'],
      type: oneOf(['GATE', 'IPIP', 'MASQ'], { anyCase: true }),
      // IP_VS_CONN_F_DROUTE, _TUNNEL, _MASQ.
      ...implies('vmethod', coded(u8(35), { GATE: 3, IPIP: 2, MASQ: 0 })),
    },
    vportctl: { options: ['vportctl'], type: onePort, ...implies('vportctl', be16(36)) },
  },
  finish(draft) {
    const others = Object.keys(flags).some((key) => key !== 'ipvs' && draft[key] !== undefined);
    if (others && draft.ipvs === true) delete draft.ipvs;
  },
  check(value, at) {
    const keys = Object.keys(flags) as (keyof typeof flags)[];
    if (keys.every((key) => value[key] === undefined)) {
      throw refused(at.path, 'needs at least one of its options');
    }
    const others = keys.some((key) => key !== 'ipvs' && value[key] !== undefined);
    if (others && value.ipvs !== undefined) {
      throw refused(at.path, 'ipvs stands alone: all other fields imply it');
    }
  },
});
