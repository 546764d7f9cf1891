// FlowFilter: its type, its checks, and its packed form for native code. One filter means the same for
// dump, events, delete and update.
import { type ParsedPrefix, parsePrefix } from '../address.js';
import {
  type Fields,
  familyAt,
  objectAt,
  oneOf,
  onlyFields,
  protocolAt,
  statusAt,
  stringAt,
  u8At,
  u16At,
  u32At,
} from '../checks.js';
import {
  dccpStates,
  type Family,
  type Protocol,
  type StatusName,
  sctpStates,
  tcpStates,
} from '../constants.js';
import { badRange, badType } from '../errors.js';
import { filterOp } from './columns.js';

/** Conditions on one direction of a flow. All that are given must hold. */
export interface SideFilter {
  /** Source address, or all addresses of a CIDR: `'10.0.0.1'`, `'10.0.0.0/8'`, `'2001:db8::/32'`. */
  src?: string;
  /** Destination address or CIDR. */
  dst?: string;
  /** Source port, or a range with both ends included. Flows without ports never match. */
  srcPort?: number | readonly [from: number, to: number];
  dstPort?: number | readonly [from: number, to: number];
  /** ICMP and ICMPv6 only. */
  icmpType?: number;
  icmpCode?: number;
  icmpId?: number;
  /** Zone of this direction alone (`CTA_TUPLE_ZONE`); flows without one never match. */
  zone?: number;
}

/**
 * Conditions on a flow; all that are given must hold. A field that is present must have a value: one
 * that is `undefined` is refused, so that a missing setting never widens a delete.
 */
export interface FlowFilter {
  family?: Family;
  protocol?: Protocol | readonly Protocol[];
  orig?: SideFilter;
  reply?: SideFilter;
  /** Short for `orig.src`, and so on. */
  src?: string;
  dst?: string;
  srcPort?: number | readonly [from: number, to: number];
  dstPort?: number | readonly [from: number, to: number];
  /** The whole mark, or the bits of it under a mask that is not 0. */
  mark?: number | { value: number; mask: number };
  /** Status bits: all of those named; or `all`, `any` and `none` of a list. */
  status?:
    | StatusName
    | readonly StatusName[]
    | { all?: readonly StatusName[]; any?: readonly StatusName[]; none?: readonly StatusName[] };
  /** State of TCP, SCTP or DCCP as conntrack(8) prints it; one of several. */
  state?: string | readonly string[];
  /** Zone of both directions; flows without one are in zone 0. */
  zone?: number;
  /** Number of a label that is set (0–127). */
  label?: number;
  /** Name of the helper. */
  helper?: string;
  /** Translated source, destination, either or neither, told by comparing the two tuples. */
  nat?: 'src' | 'dst' | 'any' | 'none';
}

/** A filter after its checks. */
export interface CheckedFilter {
  family?: 2 | 10;
  protocols?: number[];
  addresses: (ParsedPrefix | undefined)[];
  ports: ([number, number] | undefined)[];
  icmp: { type?: number; code?: number; id?: number }[];
  tupleZones: (number | undefined)[];
  mark?: { value: number; mask: number };
  status?: { all: number; any: number; none: number };
  states?: { tcp: number; sctp: number; dccp: number };
  zone?: number;
  label?: number;
  helper?: string;
  nat?: 'src' | 'dst' | 'any' | 'none';
  /** No condition at all. */
  empty: boolean;
}

const sideFields = new Set([
  'src',
  'dst',
  'srcPort',
  'dstPort',
  'icmpType',
  'icmpCode',
  'icmpId',
  'zone',
]);
const shorthand = ['src', 'dst', 'srcPort', 'dstPort'] as const;
const filterFields = new Set([
  ...['family', 'protocol', 'orig', 'reply', ...shorthand],
  ...['mark', 'status', 'state', 'zone', 'label', 'helper', 'nat'],
]);
const natKinds = ['src', 'dst', 'any', 'none'] as const;

function present(value: Fields, path: string): void {
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) {
      throw new TypeError(`${path}.${key}: is undefined; leave the field out, or give it a value`);
    }
  }
}

function portRange(value: unknown, path: string): [number, number] {
  if (!Array.isArray(value)) {
    const port = u16At(value, path);
    return [port, port];
  }
  if (value.length !== 2) throw badType(path, 'a port or [from, to]', value);
  const from = u16At(value[0], `${path}[0]`);
  const to = u16At(value[1], `${path}[1]`);
  if (from > to) throw badRange(path, '[from, to] with from not above to', `${from}, ${to}`);
  return [from, to];
}

function checkSide(value: Fields, path: string, reply: boolean, out: CheckedFilter): void {
  present(value, path);
  onlyFields(value, sideFields, path);
  const base = reply ? 2 : 0;
  if (value.src !== undefined) out.addresses[base] = parsePrefix(value.src, `${path}.src`);
  if (value.dst !== undefined) out.addresses[base + 1] = parsePrefix(value.dst, `${path}.dst`);
  if (value.srcPort !== undefined) out.ports[base] = portRange(value.srcPort, `${path}.srcPort`);
  if (value.dstPort !== undefined)
    out.ports[base + 1] = portRange(value.dstPort, `${path}.dstPort`);
  const icmp = out.icmp[reply ? 1 : 0]!;
  if (value.icmpType !== undefined) icmp.type = u8At(value.icmpType, `${path}.icmpType`);
  if (value.icmpCode !== undefined) icmp.code = u8At(value.icmpCode, `${path}.icmpCode`);
  if (value.icmpId !== undefined) icmp.id = u16At(value.icmpId, `${path}.icmpId`);
  if (value.zone !== undefined) out.tupleZones[reply ? 1 : 0] = u16At(value.zone, `${path}.zone`);
}

function checkMark(value: unknown, path: string): { value: number; mask: number } {
  // Neither a number nor an object: what u32At says of it holds.
  if (typeof value !== 'object' || value === null) {
    return { value: u32At(value, path), mask: 0xffffffff };
  }
  const fields = objectAt(value, path);
  onlyFields(fields, new Set(['value', 'mask']), path);
  const mask = u32At(fields.mask, `${path}.mask`);
  // A mask of 0 compares nothing; the kernel would take it for "every flow".
  if (mask === 0) throw badRange(`${path}.mask`, 'a mask that is not 0', mask);
  return { value: u32At(fields.value, `${path}.value`), mask };
}

function checkStatus(value: unknown, path: string): { all: number; any: number; none: number } {
  const result = { all: 0, any: 0, none: 0 };
  if (typeof value === 'string' || Array.isArray(value)) {
    result.all = statusAt(value, path);
  } else {
    const fields = objectAt(value, path);
    present(fields, path);
    onlyFields(fields, new Set(['all', 'any', 'none']), path);
    for (const key of ['all', 'any', 'none'] as const) {
      if (fields[key] !== undefined) result[key] = statusAt(fields[key], `${path}.${key}`);
    }
  }
  if (result.all + result.any + result.none === 0) {
    throw badRange(path, 'at least one status bit', 'none');
  }
  return result;
}

function checkStates(value: unknown, path: string): { tcp: number; sctp: number; dccp: number } {
  const result = { tcp: 0, sctp: 0, dccp: 0 };
  const names = Array.isArray(value) ? value : [value];
  if (names.length === 0) throw badRange(path, 'at least one state', 'none');
  const known = [...new Set<string>([...tcpStates, ...sctpStates, ...dccpStates])];
  names.forEach((name, i) => {
    const wanted = oneOf(name, Array.isArray(value) ? `${path}[${i}]` : path, known);
    const bit = (states: readonly string[]) =>
      states.includes(wanted) ? 2 ** states.indexOf(wanted) : 0;
    result.tcp |= bit(tcpStates);
    result.sctp |= bit(sctpStates);
    result.dccp |= bit(dccpStates);
  });
  return result;
}

/** Checks a filter; a TypeError or RangeError names the field that is wrong. */
export function checkFilter(filter: unknown, path = 'filter'): CheckedFilter {
  const out: CheckedFilter = {
    addresses: [undefined, undefined, undefined, undefined],
    ports: [undefined, undefined, undefined, undefined],
    icmp: [{}, {}],
    tupleZones: [undefined, undefined],
    empty: true,
  };
  if (filter === undefined) return out;
  const fields = objectAt(filter, path);
  present(fields, path);
  onlyFields(fields, filterFields, path);
  if (fields.family !== undefined)
    out.family = familyAt(fields.family, `${path}.family`) === 'ipv4' ? 2 : 10;
  if (fields.protocol !== undefined) {
    const list = Array.isArray(fields.protocol) ? fields.protocol : [fields.protocol];
    if (list.length === 0) throw badRange(`${path}.protocol`, 'at least one protocol', 'none');
    out.protocols = list.map((protocol, i) =>
      protocolAt(
        protocol,
        Array.isArray(fields.protocol) ? `${path}.protocol[${i}]` : `${path}.protocol`,
      ),
    );
  }
  if (fields.orig !== undefined)
    checkSide(objectAt(fields.orig, `${path}.orig`), `${path}.orig`, false, out);
  if (fields.reply !== undefined) {
    checkSide(objectAt(fields.reply, `${path}.reply`), `${path}.reply`, true, out);
  }
  const short: Fields = {};
  for (const key of shorthand) {
    if (fields[key] === undefined) continue;
    if (fields.orig !== undefined && (fields.orig as Fields)[key] !== undefined) {
      throw new TypeError(
        `${path}.${key}: is short for ${path}.orig.${key}, which is given as well`,
      );
    }
    short[key] = fields[key];
  }
  checkSide(short, path, false, out);
  if (fields.mark !== undefined) out.mark = checkMark(fields.mark, `${path}.mark`);
  if (fields.status !== undefined) out.status = checkStatus(fields.status, `${path}.status`);
  if (fields.state !== undefined) out.states = checkStates(fields.state, `${path}.state`);
  if (fields.zone !== undefined) out.zone = u16At(fields.zone, `${path}.zone`);
  if (fields.label !== undefined) {
    const label = u8At(fields.label, `${path}.label`);
    if (label > 127) throw badRange(`${path}.label`, 'an integer from 0 to 127', label);
    out.label = label;
  }
  if (fields.helper !== undefined) {
    out.helper = stringAt(fields.helper, `${path}.helper`, 63);
    if (out.helper === '') throw badRange(`${path}.helper`, 'the name of a helper', '');
  }
  if (fields.nat !== undefined) out.nat = oneOf(fields.nat, `${path}.nat`, natKinds);
  agreeOnFamily(out, path);
  out.empty = isEmpty(out);
  return out;
}

const sidePaths = ['orig.src', 'orig.dst', 'reply.src', 'reply.dst'];

/** Addresses decide the family; addresses of two families match nothing and are a mistake. */
function agreeOnFamily(out: CheckedFilter, path: string): void {
  out.addresses.forEach((address, side) => {
    if (address === undefined) return;
    if (out.family !== undefined && out.family !== address.family) {
      const [is, other] = address.family === 2 ? ['IPv4', 'IPv6'] : ['IPv6', 'IPv4'];
      throw new RangeError(
        `${path}.${sidePaths[side]}: is ${is} while the rest of the filter is ${other}`,
      );
    }
    out.family = address.family;
  });
}

function isEmpty(out: CheckedFilter): boolean {
  const { addresses, ports, icmp, tupleZones, empty, ...rest } = out;
  const sides = [...addresses, ...ports, ...tupleZones].some((part) => part !== undefined);
  return (
    !sides && icmp.every((part) => Object.keys(part).length === 0) && Object.keys(rest).length === 0
  );
}

/** The words that native code compiles (schema.h, NF_FILTER_OPS). */
export function packFilter(filter: CheckedFilter): Uint32Array {
  const words: number[] = [];
  if (filter.family !== undefined) words.push(filterOp.family, filter.family);
  if (filter.protocols) words.push(filterOp.protocol, filter.protocols.length, ...filter.protocols);
  filter.addresses.forEach((address, side) => {
    if (address === undefined) return;
    const bytes = new Uint8Array(16);
    bytes.set(address.bytes);
    // As the machine reads them from memory: network order inside each word.
    words.push(filterOp.address, side, address.bits, ...new Uint32Array(bytes.buffer));
  });
  filter.ports.forEach((range, side) => {
    if (range !== undefined) words.push(filterOp.port, side, ...range);
  });
  filter.icmp.forEach((icmp, direction) => {
    if (icmp.type !== undefined) words.push(filterOp.icmpType, direction, icmp.type);
    if (icmp.code !== undefined) words.push(filterOp.icmpCode, direction, icmp.code);
    if (icmp.id !== undefined) words.push(filterOp.icmpId, direction, icmp.id);
  });
  filter.tupleZones.forEach((zone, direction) => {
    if (zone !== undefined) words.push(filterOp.tupleZone, direction, zone);
  });
  if (filter.mark) words.push(filterOp.mark, filter.mark.value, filter.mark.mask);
  if (filter.status)
    words.push(filterOp.status, filter.status.all, filter.status.any, filter.status.none);
  if (filter.states)
    words.push(filterOp.state, filter.states.tcp, filter.states.sctp, filter.states.dccp);
  if (filter.zone !== undefined) words.push(filterOp.zone, filter.zone);
  if (filter.label !== undefined) words.push(filterOp.label, filter.label);
  if (filter.helper !== undefined) {
    const name = Buffer.from(filter.helper);
    const padded = new Uint8Array(Math.ceil(name.length / 4) * 4);
    padded.set(name);
    words.push(filterOp.helper, name.length, ...new Uint32Array(padded.buffer));
  }
  if (filter.nat) words.push(filterOp.nat, natKinds.indexOf(filter.nat) + 1);
  return Uint32Array.from(words);
}
