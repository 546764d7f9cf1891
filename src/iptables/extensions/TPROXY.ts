// Target TPROXY: hands the packet to a local socket without changing it (struct
// xt_tproxy_target_info, xt_tproxy_target_info_v1).
import type { Family } from '../text/addresses.js';
import { formatAddress } from '../text/addresses.js';
import { address, addressBytes } from './address-values.js';
import type { Known } from './define.js';
import { ipv4, ipv6, target } from './define.js';
import { mark, onePort } from './number-values.js';
import type { Masked } from './stores.js';
import { address4, be16, inetAddress, mapped, masked, u32 } from './stores.js';

/** Table mangle, chain PREROUTING, in a rule with `-p tcp` or `-p udp`. */
export interface TproxyTarget extends Known {
  readonly name: 'TPROXY';
  /** The port of the socket, 0…65535; 0: the packet's own destination port. */
  readonly onPort: number;
  /** The address of the socket; unless given, that of the packet's interface. */
  readonly onIp?: string;
  /** The mark that the packet gets: (old & ~mask) ^ value. Unless given, no bit changes. */
  readonly mark?: Masked;
}

const markType = mark('with mask');
const noMark: Masked = { value: 0, mask: 0 };

function describe(family: Family, revision: 0 | 1) {
  const any = family === 'ipv4' ? '0.0.0.0' : '::';
  return target<TproxyTarget>({
    name: 'TPROXY',
    revision,
    families: family === 'ipv4' ? ipv4 : ipv6,
    size: revision === 1 ? 32 : 16,
    protocols: [6, 17],
    tables: ['mangle'],
    fields: {
      onPort: {
        options: ['on-port'],
        required: true,
        type: onePort,
        store: be16(revision === 1 ? 24 : 12),
      },
      onIp: {
        options: ['on-ip'],
        type: address,
        store: mapped(
          revision === 1 ? inetAddress(8) : address4(8),
          (bytes) => formatAddress(bytes),
          addressBytes,
        ),
        default: any,
      },
      mark: {
        options: ['tproxy-mark'],
        type: markType,
        store: masked(u32(4), u32(0)),
        default: noMark,
      },
    },
    print: (value, cx) =>
      ` --on-port ${value.onPort} --on-ip ${value.onIp ?? any} --tproxy-mark ${markType.print(
        value.mark ?? noMark,
        cx,
      )}`,
  });
}

export const TPROXY = [describe('ipv4', 0), describe('ipv4', 1), describe('ipv6', 1)] as const;
