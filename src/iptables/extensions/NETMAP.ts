// Target NETMAP: maps a whole network, and keeps the host bits. Table nat.
import { applyMask, formatAddress, formatMask, isZero, maskPrefix } from '../text/addresses.js';
import { network, parseNetwork } from './address-values.js';
import type { Known, Store } from './define.js';
import { ipv4, ipv6, target } from './define.js';
import type { NatLayout } from './nat-range.js';
import { multiRange, natFlag, natRange1, rangeCount } from './nat-range.js';
import { address4, bit, inetAddress } from './stores.js';

export interface NetmapTarget extends Known {
  readonly name: 'NETMAP';
  /** The new network, `10.1.0.0/16`. */
  readonly to: string;
}

function networkStore(layout: NatLayout): Store<string> {
  const make = layout.wide ? inetAddress : address4;
  const low = make(layout.low);
  const high = make(layout.high);
  const flag = bit(layout.flags, natFlag.addresses, 32);
  return {
    read(payload, cx) {
      const from = low.read(payload, cx)!;
      const mask = high.read(payload, cx)!.map((byte, at) => ~(byte ^ from[at]!) & 0xff);
      if (
        !isZero(
          applyMask(
            from,
            mask.map((byte) => ~byte & 0xff),
          ),
        )
      )
        return undefined;
      if (maskPrefix(mask) === mask.length * 8) return formatAddress(from);
      return `${formatAddress(from)}/${formatMask(mask)}`;
    },
    write(payload, text, cx) {
      const { address, mask } = parseNetwork(text, cx.family)!;
      flag.write(payload, true, cx);
      low.write(payload, address, cx);
      high.write(
        payload,
        address.map((byte, at) => byte | (~mask[at]! & 0xff)),
        cx,
      );
    },
  };
}

function NETMAP(family: 'ipv4' | 'ipv6', layout: NatLayout) {
  return target<NetmapTarget>({
    name: 'NETMAP',
    revision: 0,
    families: family === 'ipv4' ? ipv4 : ipv6,
    size: layout.size,
    tables: ['nat'],
    always: rangeCount(layout),
    fields: {
      to: {
        options: ['to'],
        type: {
          ...network,
          // Unlike other options, this one prints the length of a whole address.
          print: (text) => (text.includes('/') ? text : `${text}/${family === 'ipv4' ? 32 : 128}`),
        },
        store: networkStore(layout),
        required: true,
      },
    },
  });
}

export const NETMAP4 = NETMAP('ipv4', multiRange);
export const NETMAP6 = NETMAP('ipv6', natRange1);
