// Target CT, and its other name NOTRACK: how connection tracking treats the packet's flow (struct xt_ct_target_info,
// xt_ct_target_info_v1). Table raw. Also the old kernel target NOTRACK.

import { badRange } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { Known, ValueType } from './define.js';
import { both, target } from './define.js';
import { given, integer } from './number-values.js';
import { bit, bitNames, cstring, flagBit, u16, u32 } from './stores.js';
import { namesOf, string } from './text-values.js';

export type CtEvent = keyof typeof events;

export interface CtTarget extends Known {
  readonly name: 'CT';
  /** Written and shown as `-j NOTRACK`. */
  readonly alias?: 'NOTRACK';
  /** Do not track; state UNTRACKED. */
  readonly notrack?: true;
  /** A conntrack helper; the rule must name its protocol. At most 15 bytes. */
  readonly helper?: string;
  /** A timeout policy (nfct timeout), at most 31 bytes. */
  readonly timeout?: string;
  /** Only these events are sent for the flow. */
  readonly ctevents?: readonly CtEvent[];
  /** Only these events are sent for its expectations. */
  readonly expevents?: readonly 'new'[];
  /** The zone for both directions, 0…65535. `mark`: the packet's mark is the zone. */
  readonly zone?: Zone;
  /** The zone of the original direction. Revision 2. */
  readonly zoneOrig?: Zone;
  /** The zone of the reply direction. Revision 2. */
  readonly zoneReply?: Zone;
}
export type Zone = number | 'mark';

/** The old target NOTRACK of the kernel. iptables writes CT instead. */
export interface NotrackTarget extends Known {
  readonly name: 'NOTRACK';
}

// The bits are IPCT_*, in the order of printing.
const events = {
  new: 1,
  related: 2,
  destroy: 4,
  reply: 8,
  assured: 0x10,
  protoinfo: 0x20,
  helper: 0x40,
  mark: 0x80,
  natseqinfo: 0x100,
  secmark: 0x200,
} as const;

const flag = { notrack: 1, alias: 2, orig: 4, reply: 8, mark: 0x10 } as const;

const zone: ValueType<Zone> = {
  arity: 1,
  check: (value, at) => (value === 'mark' ? value : integer(value, at, 0, 65535)),
  parse(text, at) {
    if (text === 'mark') return text;
    const value = wholeNumber(text, 65535);
    if (value === undefined) throw badRange(at.path, 'a zone in 0…65535, or mark', text);
    return value;
  },
  print: String,
};

/** The zone, if `wanted` accepts the direction bits. `flags` is a u16 at 0, the zone a u16 at 2. */
function zoneStore(directions: number, wanted: (bits: number) => boolean) {
  return {
    read(payload: DataView, cx: Parameters<ReturnType<typeof u16>['read']>[1]): Zone | undefined {
      const flags = u16(0).read(payload, cx)!;
      if (!wanted(flags & (flag.orig | flag.reply))) return undefined;
      if (flags & flag.mark) return 'mark';
      const id = u16(2).read(payload, cx)!;
      return id === 0 && directions === 0 ? undefined : id;
    },
    write(payload: DataView, value: Zone, cx: Parameters<ReturnType<typeof u16>['write']>[2]) {
      const flags = u16(0).read(payload, cx)!;
      u16(0).write(payload, flags | directions | (value === 'mark' ? flag.mark : 0), cx);
      u16(2).write(payload, value === 'mark' ? 0 : value, cx);
    },
  };
}

const nothing = { read: () => undefined, write: () => void 0 };

function CT(revision: 0 | 1 | 2) {
  const hasTimeout = revision > 0;
  return target<CtTarget>({
    name: 'CT',
    revision,
    families: both,
    size: hasTimeout ? 72 : 40,
    userSize: hasTimeout ? 64 : 32,
    tables: ['raw'],
    // `-j NOTRACK` has no options.
    unsaid: ({ name: _, revision: __, alias, notrack: ___, ...value }) =>
      alias !== undefined && Object.keys(value).length > 0,
    // Equal zones for both directions are one zone. Zone 0 is the same as no zone.
    meaning({ zone, zoneOrig, zoneReply, ...rest }) {
      const whole = zone ?? (zoneReply === undefined ? undefined : zoneOrig);
      if (whole !== undefined) return whole === 0 ? rest : { ...rest, zone: whole };
      return {
        ...rest,
        ...(zoneOrig && { zoneOrig }),
        ...(zoneReply && { zoneReply }),
      };
    },
    fields: {
      notrack: { options: ['notrack'], type: given, store: flagBit(0, flag.notrack, 16) },
      helper: {
        options: ['helper'],
        type: string({ max: 15, min: 1, bare: true }),
        store: cstring(12, 16),
      },
      timeout: {
        ...(hasTimeout && { options: ['timeout'] }),
        type: string({ max: 31, min: 1, bare: true }),
        store: hasTimeout ? cstring(28, 32) : nothing,
      },
      ctevents: {
        options: ['ctevents'],
        type: namesOf(Object.keys(events) as CtEvent[]),
        store: bitNames(u32(4), events),
        default: [],
      },
      expevents: {
        options: ['expevents'],
        type: namesOf(['new']),
        store: bitNames(u32(8), { new: 1 }),
        default: [],
      },
      zone: { options: ['zone'], type: zone, store: zoneStore(0, (bits) => bits === 0) },
      zoneOrig: {
        ...(revision === 2 && { options: ['zone-orig'] }),
        type: zone,
        store: zoneStore(flag.orig, (bits) => (bits & flag.orig) !== 0),
        print(value, _, __, typed) {
          if (value === 0) return '';
          // Both directions together are one zone.
          return `--zone${typed.zoneReply === undefined ? '-orig' : ''} ${value}`;
        },
      },
      zoneReply: {
        ...(revision === 2 && { options: ['zone-reply'] }),
        type: zone,
        store: zoneStore(flag.reply, (bits) => (bits & flag.reply) !== 0),
        print: (value, _, __, typed) =>
          value === 0 || typed.zoneOrig !== undefined ? '' : `--zone-reply ${value}`,
      },
      alias: {
        type: { arity: 1, check: () => 'NOTRACK', parse: () => 'NOTRACK', print: String },
        store: { read: () => 'NOTRACK', write: () => void 0 },
        present: bit(0, flag.alias, 16),
      },
    },
    alias: {
      name: 'NOTRACK',
      preset: { alias: 'NOTRACK', notrack: true },
      spellings: [],
      print: () => '',
    },
    check(value, at) {
      const zones = [value.zone, value.zoneOrig, value.zoneReply];
      const used = [...new Set(zones.filter((each) => each !== undefined))];
      if (
        used.length > 1 ||
        (value.zone !== undefined && (value.zoneOrig ?? value.zoneReply) !== undefined)
      ) {
        throw refused(
          at.path,
          'the kernel holds one zone: zone, zoneOrig and zoneReply cannot differ',
        );
      }
      if (revision < 2 && (value.zoneOrig ?? value.zoneReply ?? value.alias) !== undefined) {
        throw refused(at.path, `zoneOrig, zoneReply and alias need revision 2, not ${revision}`);
      }
      if (!hasTimeout && value.timeout !== undefined) {
        throw refused(at.path, 'timeout needs revision 1');
      }
      // xt_ct_tg_check() finds a helper by the protocol of the rule.
      if (value.helper !== undefined && (at.protocol === 0 || at.protocolInverted)) {
        throw refused(at.path, 'helper needs a rule with -p');
      }
    },
  });
}

export const CT0 = CT(0);
export const CT1 = CT(1);
export const CT2 = CT(2);

export const NOTRACK0 = target<NotrackTarget>({
  name: 'NOTRACK',
  revision: 0,
  families: both,
  size: 0,
  tables: ['raw'],
  fields: {},
});
