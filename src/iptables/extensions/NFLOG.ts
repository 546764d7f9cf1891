// Target NFLOG: sends packets to user space, to the readers of a netlink group (struct xt_nflog_info).
import type { Known } from './define.js';
import { both, target } from './define.js';
import { number } from './number-values.js';
import { bit, cstring, u16, u32 } from './stores.js';
import { string } from './text-values.js';

export interface NflogTarget extends Known {
  readonly name: 'NFLOG';
  /** At most 63 bytes. iptables cuts longer ones, the typed form refuses them. */
  readonly prefix?: string;
  /** The netlink group, 0…65535; 0 unless given. */
  readonly group?: number;
  /** Bytes of each packet that are copied (Linux 4.8 and later); the whole packet unless given. */
  readonly size?: number;
  /** The predecessor of `size`. The kernel keeps it and never uses it. Not together with `size`. */
  readonly range?: number;
  /** Packets that wait in the kernel before they are sent, 0…65535; 0 (the kernel's choice) unless given. */
  readonly threshold?: number;
}

/** XT_NFLOG_F_COPY_LEN: the length counts. */
const copyLength = bit(8, 1, 16);
const length = u32(0);

export const NFLOG = target<NflogTarget>({
  name: 'NFLOG',
  revision: 0,
  families: both,
  size: 80,
  fields: {
    prefix: {
      options: ['nflog-prefix'],
      type: string({ max: 63, min: 1, longer: 'cut' }),
      store: cstring(12, 64),
    },
    group: {
      options: ['nflog-group'],
      type: number(65535),
      store: u16(4),
      default: 0,
      shown: true,
    },
    size: {
      options: ['nflog-size'],
      type: number(0xffffffff),
      store: length,
      present: copyLength,
      excludes: ['range'],
    },
    range: {
      options: ['nflog-range'],
      type: number(0xffffffff),
      store: {
        read: (payload, cx) =>
          copyLength.read(payload, cx) ? undefined : length.read(payload, cx) || undefined,
        write: length.write,
      },
    },
    threshold: {
      options: ['nflog-threshold'],
      type: number(65535),
      store: u16(6),
      default: 0,
      shown: true,
    },
  },
  /** No kernel looks at the range, and a rule in nf_tables does not have it. */
  meaning({ range, ...rest }) {
    return rest;
  },
});
