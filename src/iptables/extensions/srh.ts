// Match srh: the segment routing header of IPv6 (struct ip6t_srh, ip6t_srh1).

import { formatAddress, formatMask, maskPrefix } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { Field, Known, Not, Place, Store, ValueType } from './define.js';
import { ipv6, isNot, match } from './define.js';
import { networkField, networkType } from './networks.js';
import { number } from './number-values.js';
import { bit, bytesOf, u8, u16 } from './stores.js';

/**
 * The kernel has one number for each property. If it is compared in several ways (`hdrLenEq` and `hdrLenGt`), all
 * must give the same number.
 */
export interface SrhMatch extends Known {
  readonly name: 'srh';
  /** The next header, 0…255. */
  readonly nextHdr?: Not<number>;
  /** Length of the header in units of 8 bytes, without the first one. */
  readonly hdrLenEq?: Not<number>;
  readonly hdrLenGt?: Not<number>;
  readonly hdrLenLt?: Not<number>;
  /** Segments left. */
  readonly segsLeftEq?: Not<number>;
  readonly segsLeftGt?: Not<number>;
  readonly segsLeftLt?: Not<number>;
  /** Index of the last entry of the list. */
  readonly lastEntryEq?: Not<number>;
  readonly lastEntryGt?: Not<number>;
  readonly lastEntryLt?: Not<number>;
  /** 16 bits; the kernel compares them with the header's in the byte order of this host. */
  readonly tag?: Not<number>;
  /** The previous segment: an address or network. Revision 1, as the next two fields. */
  readonly psid?: Not<string>;
  /** The next segment. */
  readonly nsid?: Not<string>;
  /** The last segment. */
  readonly lsid?: Not<string>;
}

type Properties = Omit<SrhMatch, 'name' | keyof Known>;
const shared: readonly (readonly (keyof Properties)[])[] = [
  ['hdrLenEq', 'hdrLenGt', 'hdrLenLt'],
  ['segsLeftEq', 'segsLeftGt', 'segsLeftLt'],
  ['lastEntryEq', 'lastEntryGt', 'lastEntryLt'],
];

function checkShared(value: SrhMatch, at: Place): void {
  for (const group of shared) {
    const numbers = group.flatMap((key) => {
      const given: unknown = value[key];
      return given === undefined ? [] : [isNot(given) ? given.not : given];
    });
    if (new Set(numbers).size > 1) {
      throw refused(at.path, `the kernel holds one number for all of ${group.join(', ')}`);
    }
  }
}

/** Text always has a prefix length. */
const segment: ValueType<string> = {
  ...networkType,
  check(value, at) {
    const text = networkType.check(value, at);
    if (/\/.*:/.test(text)) throw refused(at.path, `the mask of ${text} is no prefix`);
    return text;
  },
  parse: (text, at) => segment.check(networkType.parse(text, at), at),
  print: (value) => (value.includes('/') ? value : `${value}/128`),
};

function segmentStore(address: number, mask: number): Store<string> {
  const store = networkField(address, mask);
  return {
    ...store,
    read(payload, cx) {
      const bits = bytesOf(payload, mask, 16);
      // iptables prints such a mask as something else.
      if (maskPrefix(bits) === undefined)
        throw new Error(`the mask ${formatMask(bits)} is no prefix`);
      if (maskPrefix(bits) === 128) return formatAddress(bytesOf(payload, address, 16));
      return store.read(payload, cx);
    },
  };
}

function srh(revision: 0 | 1) {
  const flags = revision === 1 ? 104 : 6;
  const field = <T>(
    option: string,
    mask: number,
    type: ValueType<T>,
    store: Store<T>,
  ): Field<T, true> => ({
    options: [`srh-${option}`],
    type,
    store,
    present: bit(flags, mask, 16),
    invert: bit(flags + 2, mask, 16),
  });
  const byte = (option: string, mask: number, at: number) =>
    field(option, mask, number(255), u8(at));
  const nowhere: Field<string, true> = {
    type: segment,
    store: { read: () => undefined, write: () => void 0 },
    invert: { read: () => false, write: () => void 0 },
  };
  const sid = (option: string, mask: number, address: number) =>
    revision === 0 ? nowhere : field(option, mask, segment, segmentStore(address, address + 48));
  return match<SrhMatch>({
    name: 'srh',
    revision,
    families: ipv6,
    size: revision === 1 ? 112 : 16,
    fields: {
      nextHdr: byte('next-hdr', 1, 0),
      hdrLenEq: byte('hdr-len-eq', 2, 1),
      hdrLenGt: byte('hdr-len-gt', 4, 1),
      hdrLenLt: byte('hdr-len-lt', 8, 1),
      segsLeftEq: byte('segs-left-eq', 0x10, 2),
      segsLeftGt: byte('segs-left-gt', 0x20, 2),
      segsLeftLt: byte('segs-left-lt', 0x40, 2),
      lastEntryEq: byte('last-entry-eq', 0x80, 3),
      lastEntryGt: byte('last-entry-gt', 0x100, 3),
      lastEntryLt: byte('last-entry-lt', 0x200, 3),
      tag: field('tag', 0x400, number(65535), u16(4)),
      psid: sid('psid', 0x800, 8),
      nsid: sid('nsid', 0x1000, 24),
      lsid: sid('lsid', 0x2000, 40),
    },
    check(value, at) {
      checkShared(value, at);
      if (revision === 0 && (value.psid ?? value.nsid ?? value.lsid) !== undefined) {
        throw refused(at.path, 'revision 0 knows no psid, nsid and lsid');
      }
    },
  });
}

export const srh0 = srh(0);
export const srh1 = srh(1);
