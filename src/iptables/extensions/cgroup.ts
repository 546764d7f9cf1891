// Match cgroup: the control group of the socket that a packet belongs to (struct xt_cgroup_info_v0, _v1,
// _v2). Chains: INPUT, OUTPUT, POSTROUTING.
import { refused } from '../text/refused.js';
import type { Known, Not, Place } from './define.js';
import { both, match } from './define.js';
import { number } from './number-values.js';
import { bit, fixedString, u32 } from './stores.js';
import { string } from './text-values.js';

/** One of `path` and `cgroup`. */
export interface CgroupMatch extends Known {
  readonly name: 'cgroup';
  /**
   * A group of cgroup2 (and all below it), relative to the root of the mount, at most 511 bytes (4095 in
   * revision 1). It must exist when the rule is loaded. Not in revision 0.
   */
  readonly path?: Not<string>;
  /** The class of net_cls (`net_cls.classid`), 32 bits. */
  readonly cgroup?: Not<number>;
}

const classid = number(0xffffffff);

function later(revision: 1 | 2) {
  const pathSize = revision === 1 ? 4096 : 512;
  return match<CgroupMatch>({
    name: 'cgroup',
    revision,
    families: both,
    size: revision === 1 ? 4112 : 528,
    userSize: revision === 1 ? 4104 : 520,
    fields: {
      path: {
        options: ['path'],
        type: string({ max: pathSize - 1 }),
        store: fixedString(4, pathSize),
        present: bit(0, 1),
        invert: bit(2, 1),
        // In revision 2 they share their bytes.
        excludes: ['cgroup'],
      },
      cgroup: {
        options: ['cgroup'],
        type: classid,
        store: u32(revision === 1 ? 4100 : 4),
        present: bit(1, 1),
        invert: bit(3, 1),
        excludes: ['path'],
      },
    },
    check(value: CgroupMatch, at: Place) {
      if (value.path === undefined && value.cgroup === undefined) {
        throw refused(at.path, 'needs path (--path) or cgroup (--cgroup)');
      }
    },
  });
}

export const cgroup2 = later(2);
export const cgroup1 = later(1);
export const cgroup0 = match<CgroupMatch>({
  name: 'cgroup',
  revision: 0,
  families: both,
  size: 8,
  fields: {
    path: {
      type: string({ max: 0 }),
      store: { read: () => undefined, write: () => void 0 },
      invert: { read: () => false, write: () => void 0 },
    },
    cgroup: { options: ['cgroup'], type: classid, store: u32(0), invert: bit(4, 1, 32) },
  },
  check(value, at) {
    if (value.path !== undefined) throw refused(at.path, 'revision 0 knows no path');
    if (value.cgroup === undefined) throw refused(at.path, 'needs cgroup (--cgroup)');
  },
});
