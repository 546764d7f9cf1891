// Match conntrack, and its other name `state`: what connection tracking knows about the packet's flow (struct
// xt_conntrack_mtinfo1, 2, 3).

import { badRange, badType } from '../../errors.js';
import { refused } from '../text/refused.js';
import type { Known, Not, Spelling, Store, ValueType } from './define.js';
import { both, isNot, match } from './define.js';
import type { Network } from './networks.js';
import { hasOddMask, hostsBare, networkField, networkType } from './networks.js';
import { ports, protocol, range } from './number-values.js';
import type { Range } from './stores.js';
import { be16, bit, bitNames, mapped, pair, u8, u16, u32 } from './stores.js';
import { namesOf, oneOf } from './text-values.js';

export type CtState = keyof typeof states;
export type CtStatus = keyof typeof statuses;

/** At least one field must be given. All given fields must hold. */
export interface ConntrackMatch extends Known {
  readonly name: 'conntrack';
  /** Written and shown as `-m state --state`. It is the same match in the kernel; one bit tells them apart. */
  readonly alias?: 'state';
  /** In any of these states. */
  readonly ctstate?: Not<readonly CtState[]>;
  /** The protocol that conntrack sees, by number or name (shown as a number). */
  readonly ctproto?: Not<number | string>;
  /** Source of the original direction: an address with an optional prefix length. */
  readonly ctorigsrc?: Not<Network>;
  readonly ctorigdst?: Not<Network>;
  /** Source of the reply direction. */
  readonly ctreplsrc?: Not<Network>;
  readonly ctrepldst?: Not<Network>;
  /** Ports; ranges need revision 3. */
  readonly ctorigsrcport?: Not<number | Range>;
  readonly ctorigdstport?: Not<number | Range>;
  readonly ctreplsrcport?: Not<number | Range>;
  readonly ctrepldstport?: Not<number | Range>;
  /** With any of these status bits; the empty list is `NONE`. */
  readonly ctstatus?: Not<readonly CtStatus[]>;
  /** Seconds until the flow expires. */
  readonly ctexpire?: Not<number | Range>;
  /** The direction of the packet. */
  readonly ctdir?: 'ORIGINAL' | 'REPLY';
}

// XT_CONNTRACK_STATE_*, in the order of printing.
const states = {
  INVALID: 1,
  NEW: 8,
  RELATED: 4,
  ESTABLISHED: 2,
  UNTRACKED: 256,
  SNAT: 64,
  DNAT: 128,
} as const;
const statuses = { EXPECTED: 1, SEEN_REPLY: 2, ASSURED: 4, CONFIRMED: 8 } as const;

// XT_CONNTRACK_*, in match_flags (given) and invert_flags (negated).
const flag = {
  state: 1,
  proto: 2,
  origsrc: 4,
  origdst: 8,
  replsrc: 0x10,
  repldst: 0x20,
  status: 0x40,
  expires: 0x80,
  origsrcport: 0x100,
  origdstport: 0x200,
  replsrcport: 0x400,
  repldstport: 0x800,
  direction: 0x1000,
  alias: 0x2000,
} as const;

const given = (mask: number) => ({ present: bit(146, mask, 16), invert: bit(148, mask, 16) });
const stateType = namesOf(Object.keys(states) as CtState[], { anyCase: true, prefix: true });
const plainStates = (Object.keys(states) as CtState[]).filter((each) => !/NAT$/.test(each));
const statusType = namesOf(Object.keys(statuses) as CtStatus[], {
  anyCase: true,
  prefix: true,
  empty: true,
  groups: { NONE: [] },
  print: (value) => value.join(',') || 'NONE',
});

/** Revisions 1 and 2 hold one port in network order, 3 a range in host order. */
function portStore(revision: number, index: number): Store<number | Range> {
  if (revision === 3) return pair(u16(138 + 2 * index), u16(154 + 2 * index));
  const one = be16(138 + 2 * index);
  return {
    read: one.read,
    // `check` has refused ranges.
    write: (payload, value, cx) => one.write(payload, value as number, cx),
  };
}

const wide = (store: Store<number>, narrow: boolean): Store<number> =>
  narrow
    ? mapped(
        store,
        (value) => value,
        (value) => value & 0xff,
      )
    : store;

const protocolType: ValueType<number | string> = {
  ...protocol,
  check(value, at) {
    const checked = protocol.check(value, at);
    // The kernel's field holds the number, so the number is shown.
    return typeof checked === 'number' ? checked : at.names.protocolNumber(checked)!;
  },
  parse: (text, at) => protocol.parse(text.toLowerCase(), at),
};

const stateSpelling: Spelling<ConntrackMatch> = {
  option: 'state',
  invertible: true,
  field: 'ctstate',
  parse: (text, at) => namesOf(plainStates, { anyCase: true, prefix: true }).parse(text, at),
};

function conntrack(revision: 1 | 2 | 3) {
  const narrow = revision === 1;
  return match<ConntrackMatch>({
    name: 'conntrack',
    revision,
    families: both,
    size: { 1: 152, 2: 160, 3: 168 }[revision],
    unsaid: hasOddMask,
    meaning: hostsBare,
    fields: {
      ctstate: {
        options: ['ctstate'],
        type: stateType,
        store: bitNames(wide(narrow ? u8(150) : u16(150), narrow), states),
        ...given(flag.state),
      },
      ctproto: {
        options: ['ctproto'],
        type: protocolType,
        store: u16(136) as Store<number | string>,
        ...given(flag.proto),
      },
      ctorigsrc: {
        options: ['ctorigsrc'],
        type: networkType,
        store: networkField(0, 16),
        ...given(flag.origsrc),
      },
      ctorigdst: {
        options: ['ctorigdst'],
        type: networkType,
        store: networkField(32, 48),
        ...given(flag.origdst),
      },
      ctreplsrc: {
        options: ['ctreplsrc'],
        type: networkType,
        store: networkField(64, 80),
        ...given(flag.replsrc),
      },
      ctrepldst: {
        options: ['ctrepldst'],
        type: networkType,
        store: networkField(96, 112),
        ...given(flag.repldst),
      },
      ctorigsrcport: {
        options: ['ctorigsrcport'],
        type: ports(undefined, true, true),
        store: portStore(revision, 0),
        ...given(flag.origsrcport),
      },
      ctorigdstport: {
        options: ['ctorigdstport'],
        type: ports(undefined, true, true),
        store: portStore(revision, 1),
        ...given(flag.origdstport),
      },
      ctreplsrcport: {
        options: ['ctreplsrcport'],
        type: ports(undefined, true, true),
        store: portStore(revision, 2),
        ...given(flag.replsrcport),
      },
      ctrepldstport: {
        options: ['ctrepldstport'],
        type: ports(undefined, true, true),
        store: portStore(revision, 3),
        ...given(flag.repldstport),
      },
      ctstatus: {
        options: ['ctstatus'],
        type: statusType,
        store: bitNames(narrow ? u8(151) : u16(152), statuses),
        ...given(flag.status),
      },
      ctexpire: {
        options: ['ctexpire'],
        type: range({ max: 0xffffffff, reversed: true }),
        store: pair(u32(128), u32(132)),
        ...given(flag.expires),
      },
      ctdir: {
        options: ['ctdir'],
        type: oneOf(['ORIGINAL', 'REPLY'], { anyCase: true }),
        // REPLY is ORIGINAL negated.
        store: mapped(
          bit(148, flag.direction, 16),
          (reply) => (reply ? 'REPLY' : 'ORIGINAL'),
          (direction) => direction === 'REPLY',
        ),
        present: bit(146, flag.direction, 16),
      },
      alias: {
        type: oneOf(['state']),
        store: { read: () => 'state', write: () => void 0 },
        present: bit(146, flag.alias, 16),
      },
    },
    alias: {
      name: 'state',
      preset: { alias: 'state' },
      spellings: [stateSpelling],
      finish(draft, at) {
        if (draft.ctstate === undefined) throw refused(at.path, 'needs --state');
      },
      print(value) {
        const { ctstate } = value;
        const list = (isNot(ctstate) ? ctstate.not : ctstate) as readonly CtState[] | undefined;
        return `${isNot(ctstate) ? ' !' : ''} --state ${(list ?? []).join(',')}`;
      },
    },
    check(value, at) {
      const keys = Object.keys(value).filter((key) => key !== 'name' && key !== 'alias');
      if (keys.length === 0) throw refused(at.path, 'needs at least one condition');
      if (value.alias !== undefined && keys.some((key) => key !== 'ctstate')) {
        throw refused(at.path, 'the alias state has only ctstate');
      }
      if (revision === 3) return;
      for (const key of [
        'ctorigsrcport',
        'ctorigdstport',
        'ctreplsrcport',
        'ctrepldstport',
      ] as const) {
        const ports = isNot(value[key]) ? value[key].not : value[key];
        if (ports !== undefined && typeof ports !== 'number') {
          throw badType(
            `${at.path}.${key}`,
            `one port (revision ${revision} has no ranges)`,
            ports,
          );
        }
      }
      const list = isNot(value.ctstate) ? (value.ctstate.not as readonly CtState[]) : value.ctstate;
      if (narrow && list?.includes('UNTRACKED')) {
        throw badRange(`${at.path}.ctstate`, 'states that revision 1 has', list);
      }
    },
  });
}

export const conntrack1 = conntrack(1);
export const conntrack2 = conntrack(2);
export const conntrack3 = conntrack(3);
