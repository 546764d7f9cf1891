// Target ULOG: sends packets to user space, the predecessor of NFLOG (struct ipt_ulog_info). IPv4. Linux 3.17 and
// later do not have it.
import type { Known } from './define.js';
import { ipv4, target } from './define.js';
import { number } from './number-values.js';
import { cstring, mapped, u32, u64 } from './stores.js';
import { string } from './text-values.js';

export interface UlogTarget extends Known {
  readonly name: 'ULOG';
  /** At most 31 bytes. iptables cuts longer ones, the typed form refuses them. */
  readonly prefix?: string;
  /** The netlink group, 1…32; 1 unless given. */
  readonly nlgroup?: number;
  /** Bytes of each packet that are copied; 0, the whole packet, unless given. */
  readonly cprange?: number;
  /** Packets that wait in the kernel before they are sent, 1…50; 1 unless given. */
  readonly qthreshold?: number;
}

/** A size_t in the payload, 32 bits in text and typed form. */
const size = (at: number) =>
  mapped(
    u64(at),
    (value) => (value <= 0xffffffffn ? Number(value) : undefined),
    (value: number) => BigInt(value),
  );

export const ULOG = target<UlogTarget>({
  name: 'ULOG',
  revision: 0,
  families: ipv4,
  size: 56,
  fields: {
    prefix: {
      options: ['ulog-prefix'],
      type: string({ max: 31, min: 1, longer: 'cut' }),
      store: cstring(24, 32),
    },
    nlgroup: {
      options: ['ulog-nlgroup'],
      type: number(32, 1),
      // One bit of 32. A payload with several bits stays raw.
      store: mapped(
        u32(0),
        (bits) => (bits === 0 ? undefined : 32 - Math.clz32(bits)),
        (group) => (1 << (group - 1)) >>> 0,
      ),
      default: 1,
      shown: true,
    },
    cprange: {
      options: ['ulog-cprange'],
      type: number(0xffffffff),
      store: size(8),
      default: 0,
      shown: true,
    },
    qthreshold: {
      options: ['ulog-qthreshold'],
      type: number(50, 1),
      store: size(16),
      default: 1,
      shown: true,
    },
  },
});
