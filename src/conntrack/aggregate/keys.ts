// What rows can be grouped by: the code of a row for the grouping, and its key as the groups show it. Knows columns.
import {
  AF_INET6,
  type Family,
  type FlowState,
  type Protocol,
  protocolName,
  stateNames,
} from '../../constants.js';
import {
  type addressColumns,
  type ColumnStore,
  portColumns,
  type Side,
  sideOf,
} from '../columns/column-store.js';
import { presenceFor } from '../columns/presence.js';
import { has } from '../columns/schema.js';
import { helperName } from '../flow/rare.js';
import type { DirectKey } from './direct-grouping.js';
import { type Codes, type Grouping, interner } from './grouping.js';

/** What flows can be grouped by, and how the groups show it. Flows without a value are one group: it is undefined. */
export interface GroupKeyValues {
  /** The family of the addresses. */
  readonly family: Family;
  /** The protocol by name, or by its number where the package has no name for it. */
  readonly protocol: Protocol;
  /** The state of TCP, SCTP and DCCP. Protocols that share a name share its group. */
  readonly state: FlowState | undefined;
  /** The status bits (`IPS_*`). */
  readonly status: number;
  /** The connmark; 0 where none was set. */
  readonly mark: number;
  /** The zone of both directions; 0 where the kernel sent none. */
  readonly zone: number;
  /** Seconds until the flow expires. */
  readonly timeout: number | undefined;
  /** The source address of the original direction, as text. */
  readonly origSrc: string;
  /** The destination address of the original direction, as text. */
  readonly origDst: string;
  /** The source address of the reply direction, as text. */
  readonly replySrc: string;
  /** The destination address of the reply direction, as text. */
  readonly replyDst: string;
  /** The source port of the original direction; undefined for ICMP and other protocols without ports. */
  readonly origSrcPort: number | undefined;
  /** The destination port of the original direction. */
  readonly origDstPort: number | undefined;
  /** The source port of the reply direction. */
  readonly replySrcPort: number | undefined;
  /** The destination port of the reply direction. */
  readonly replyDstPort: number | undefined;
  /** The name of the helper. */
  readonly helper: string | undefined;
}
/** What flows can be grouped by. Addresses and names appear as text in the groups. */
export type GroupKey = keyof GroupKeyValues;

// As an object of all keys: a key that is added above and not here does not compile.
export const groupKeys = Object.keys({
  family: true,
  protocol: true,
  state: true,
  status: true,
  mark: true,
  zone: true,
  timeout: true,
  origSrc: true,
  origDst: true,
  replySrc: true,
  replyDst: true,
  origSrcPort: true,
  origDstPort: true,
  replySrcPort: true,
  replyDstPort: true,
  helper: true,
} satisfies Record<GroupKey, true>) as readonly GroupKey[];

type AddressKey = (typeof addressColumns)[number];
type PortKey = (typeof portColumns)[number];
const isPort = (key: GroupKey): key is PortKey => (portColumns as readonly string[]).includes(key);

/** Copies a column's codes as they are. */
function plainCodes(column: Uint8Array | Uint16Array | Uint32Array): Codes {
  return (from, to, out) => out.set(column.subarray(from, to));
}

/** Splits the groups by a key. */
export function refineBy(grouping: Grouping, store: ColumnStore, key: GroupKey): void {
  const side = sideOf[key];
  if (side !== undefined) refineByAddress(grouping, store, key as AddressKey, side);
  else if (isPort(key)) refineByPort(grouping, store, key);
  else if (key === 'state') refineByState(grouping, store);
  else if (key === 'helper') {
    const text = interner();
    grouping.refine((from, to, out) => {
      for (let row = from; row < to; row++) out[row - from] = text(helperAt(store, row) ?? '');
    });
  } else {
    const column = store.column(key as 'mark' | 'zone' | 'family');
    const span = 2 ** (8 * column.BYTES_PER_ELEMENT);
    grouping.refine(plainCodes(column), span);
  }
}

function refineByAddress(
  grouping: Grouping,
  store: ColumnStore,
  key: AddressKey,
  side: Side,
): void {
  const family = store.column('family');
  const column = store.column(key);
  grouping.refine(plainCodes(family), 256);
  if (!family.includes(AF_INET6)) {
    grouping.refine(plainCodes(column));
    return;
  }
  // The column of an IPv6 row holds an index, and the same address may have several.
  const text = interner();
  grouping.refine((from, to, out) => {
    for (let row = from; row < to; row++) {
      out[row - from] =
        family[row] === AF_INET6 ? text(store.addressText(side, row)) : column[row]!;
    }
  });
}

/** Flows without ports are one group: their column holds ICMP values. */
function refineByPort(grouping: Grouping, store: ColumnStore, key: PortKey): void {
  const { presence, bits } = presenceFor(store, key);
  const column = store.column(key);
  grouping.refine((from, to, out) => portCodes(presence, bits, column, from, to, out), noPort + 1);
}

const noPort = 0x10000;

function portCodes(
  presence: Uint32Array,
  bit: number,
  column: Uint16Array,
  from: number,
  to: number,
  out: Uint32Array,
): void {
  for (let row = from; row < to; row++) {
    out[row - from] = (presence[row]! & bit) !== 0 ? column[row]! : noPort;
  }
}

/** Protocols share names of states: ESTABLISHED is one group, of whatever protocol. */
function refineByState(grouping: Grouping, store: ColumnStore): void {
  const presence = store.column('presence');
  const protocol = store.column('protocol');
  const state = store.column('state');
  const text = interner();
  const named = new Uint32Array(1 << 16); // from 1; 0: not met yet
  grouping.refine((from, to, out) => {
    for (let row = from; row < to; row++) {
      if ((presence[row]! & has.state) === 0) {
        out[row - from] = 0;
        continue;
      }
      const number = protocol[row]! * 256 + state[row]!;
      if (named[number] === 0) named[number] = 1 + text(stateText(store, row));
      out[row - from] = named[number]!;
    }
  });
}

function stateText(store: ColumnStore, row: number): FlowState {
  const state = store.column('state')[row]!;
  return stateNames(store.column('protocol')[row]!)?.[state] ?? `STATE_${state}`;
}

function helperAt(store: ColumnStore, row: number): string | undefined {
  if ((store.column('presence')[row]! & has.helper) === 0) return undefined;
  const extra = store.extraBytes(row);
  return extra && helperName(extra);
}

type KeyText = (row: number) => string | number | undefined;

/** Reads a key of a row as the groups show it. */
export function keyReader(store: ColumnStore, key: GroupKey): KeyText {
  const side = sideOf[key];
  if (side !== undefined) return (row) => store.addressText(side, row);
  switch (key) {
    case 'family': {
      const family = store.column('family');
      return (row) => (family[row] === AF_INET6 ? 'ipv6' : 'ipv4');
    }
    case 'protocol': {
      const protocol = store.column('protocol');
      return (row) => protocolName(protocol[row]!);
    }
    case 'state': {
      const presence = store.column('presence');
      return (row) => ((presence[row]! & has.state) === 0 ? undefined : stateText(store, row));
    }
    case 'helper':
      return (row) => helperAt(store, row);
    default: {
      const { presence, bits } = presenceFor(store, key);
      const column = store.column(key as 'mark');
      return (row) => ((presence[row]! & bits) === bits ? column[row] : undefined);
    }
  }
}

/** Where a key is that has at most 16 bits; undefined for any other. */
export function directKey(store: ColumnStore, key: GroupKey): DirectKey | undefined {
  if (!isPort(key) && key !== 'zone' && key !== 'family' && key !== 'protocol') return undefined;
  const column = store.column(key);
  return {
    // Always the same kind of array: the loops are compiled for one kind.
    column: column instanceof Uint16Array ? column : new Uint16Array(column),
    ...presenceFor(store, key),
  };
}
