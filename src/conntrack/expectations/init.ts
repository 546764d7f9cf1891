// What names or makes an expectation: what callers give, its checks, and its packed form (struct PackedTuple and
// struct PackedExpectation).
import { writeAddress, writeFlowAddress } from '../../address.js';
import {
  type Fields,
  fieldsAt,
  integerAt,
  listAt,
  objectAt,
  oneOf,
  onlyFields,
  optionsAt,
  protocolAt,
  stringAt,
  u8At,
  u16At,
} from '../../checks.js';
import { type Protocol, protocolHasPorts, protocolIsIcmp } from '../../constants.js';
import { badRange, badType } from '../../errors.js';
import {
  direction,
  directionNames,
  expectGiven as given,
  packedTuple as part,
  packedExpectation as place,
  tupleFlag,
} from '../../native/numbers.js';
import { littleEndian } from '../columns/netlink-attributes.js';
import type { Flow } from '../flow/flow.js';
import type { TupleInit } from '../input/tuple.js';
import { TuplePacker, tupleBytes } from '../lookup/tuple-packer.js';
import { type ExpectationMask, type ExpectationNat, expectationFlags } from './expectation.js';

/** Names an expectation, or a flow that may meet one. An `Expectation` names itself. */
export interface ExpectationTupleInit {
  /** The protocol that is expected, by name or number. */
  protocol: Protocol;
  /** Source address as text. */
  src: string;
  /** Destination address as text. */
  dst: string;
  /** Source port, for protocols that have ports; for GRE, its key. 0 when left out. */
  srcPort?: number | undefined;
  /** Destination port, for protocols that have ports; for GRE, its key. */
  dstPort?: number | undefined;
  /** Zone of the master flow; 0 when left out. */
  zone?: number | undefined;
  /**
   * CTA_EXPECT_ID of the expectation, in this table. Another expectation with the same tuple is not meant.
   * Plain data does not know its table: for another table, leave the id out.
   */
  id?: number | undefined;
}

/** The flow to expect, in its original direction. */
export interface ExpectedTupleInit {
  /** Source address as text. */
  src: string;
  /** Destination address as text. */
  dst: string;
  /** 0 when left out. It matters only where `mask.srcPort` says so. */
  srcPort?: number | undefined;
  /** For protocols that have ports. */
  dstPort?: number | undefined;
}

/** An expectation to make. A field that is `undefined` is refused, but for those of `tuple`. */
export interface ExpectationInit {
  /** The protocol that is expected, by name or number. */
  protocol: Protocol;
  /** The flow that is expected, in its original direction. */
  tuple: ExpectedTupleInit;
  /**
   * The bits of the source address and of the source port that must be as in `tuple`. Default: all bits of the
   * address, none of the port.
   */
  mask?: Partial<ExpectationMask>;
  /** The flow whose helper expects it. That flow must be there, and have room for a helper. */
  master: TupleInit | Flow;
  /**
   * Seconds (1 to 4294967). Default: what the helper's policy says. (The kernel takes no other value at first: the
   * timeout is changed right after the expectation is made.)
   */
  timeout?: number;
  /** `'permanent'`, `'inactive'`. */
  flags?: readonly ('permanent' | 'inactive')[];
  /** The number of the helper's policy that applies: the timeout, and how many expectations there may be. */
  class?: number;
  /**
   * Name of the helper that the new flow gets, and whose policy `class` is. Kernels with the fix of 2026 for a read
   * out of bounds take the helper of the master, whatever is named here.
   */
  helper?: string;
  /** Name of a kernel function for the new flow: `'nat-follow-master'` … */
  fn?: string;
  /** The source before translation, and the direction that the kernel translates. */
  nat?: ExpectationNat;
}

const noPortsMessage = 'this protocol has no ports';
const tupleFields = new Set(['protocol', 'src', 'dst', 'srcPort', 'dstPort', 'zone', 'id']);
const initFields = new Set([
  ...['protocol', 'tuple', 'mask', 'master', 'timeout', 'flags', 'class', 'helper', 'fn', 'nat'],
]);
const readFields = new Set([
  ...initFields,
  ...['id', 'family', 'protocolNumber', 'flagsBits', 'zone'],
]);

function expectable(protocol: unknown, path: string): number {
  const number = protocolAt(protocol, path);
  if (protocolIsIcmp(number)) throw badRange(path, 'a protocol that is not ICMP', protocol);
  return number;
}

/** The packed tuple of an expectation. */
export function packExpectationTuple(init: unknown, path: string): Uint8Array {
  const fields = objectAt(init, path);
  onlyFields(fields, tupleFields, path);
  const protocol = expectable(fields.protocol, `${path}.protocol`);
  const packer = new TuplePacker(1);
  const name = { ...(fields as unknown as TupleInit), protocol: protocol as Protocol };
  if (protocolHasPorts(protocol) && name.dstPort !== undefined) name.srcPort ??= 0;
  packer.add(name, path);
  return packer.bytes;
}

/** A tuple that has only a source: a mask, or a NAT source. The bytes of the destination are `rest`. */
function sourceTuple(
  fields: Fields,
  path: string,
  protocol: number,
  family: number,
  rest: number,
): Uint8Array {
  const bytes = new Uint8Array(tupleBytes);
  const view = new DataView(bytes.buffer);
  const size = family === 2 ? 4 : 16;
  bytes.fill(0xff, part.src, part.src + size);
  bytes.fill(rest, part.dst, part.dst + size);
  if (fields.src !== undefined) {
    if (typeof fields.src !== 'string') throw badType(`${path}.src`, 'an IP address', fields.src);
    bytes.fill(0, part.src, part.dst);
    // A mask is no address. It is taken as it is written.
    const write = rest === 0 ? writeFlowAddress : writeAddress;
    if (write(fields.src, bytes, part.src) !== family) {
      throw badRange(`${path}.src`, 'an address of the family of the tuple', fields.src);
    }
  }
  if (protocolHasPorts(protocol)) {
    view.setUint16(
      part.srcPort,
      fields.srcPort === undefined ? 0 : u16At(fields.srcPort, `${path}.srcPort`),
      littleEndian,
    );
    view.setUint16(part.dstPort, rest === 0 ? 0 : 0xffff, littleEndian);
    bytes[part.flags] = tupleFlag.hasPorts;
  } else if (fields.srcPort !== undefined) {
    throw new TypeError(`${path}.srcPort: ${noPortsMessage}`);
  }
  bytes[part.family] = family;
  bytes[part.protocol] = protocol;
  return bytes;
}

/**
 * An expectation that was read, as one to make: the fields that only the kernel sets are left out. The `helper` that
 * was read is that of the master, and one to make names that of the new flow. It is kept only where `class` needs it.
 */
function asAsked(fields: Fields): Fields {
  if (fields.flagsBits === undefined) return fields;
  const { id, family, protocolNumber, flagsBits, zone, ...asked } = fields;
  if (asked.class === 0) {
    delete asked.class;
    delete asked.helper;
  }
  // Less than a second was left.
  if (asked.timeout === 0) asked.timeout = 1;
  if (Array.isArray(asked.flags)) asked.flags = asked.flags.filter((flag) => flag !== 'userspace');
  const { master } = asked;
  if (zone !== undefined && typeof master === 'object' && master !== null) {
    asked.master = { ...master, zone };
  }
  return asked;
}

export function packExpectation(init: unknown): Uint8Array {
  const path = 'expectation';
  const fields = asAsked(fieldsAt(init, path, readFields, 'an object', new Set(['zone'])));
  onlyFields(fields, initFields, path);
  const bytes = new Uint8Array(place.bytes);
  const view = new DataView(bytes.buffer);
  const protocol = expectable(fields.protocol, `${path}.protocol`);
  const sides = new Set(['src', 'dst', 'srcPort', 'dstPort']);
  const tuple = optionsAt(fields.tuple, `${path}.tuple`, sides);
  const mask =
    fields.mask === undefined
      ? {}
      : fieldsAt(fields.mask, `${path}.mask`, new Set(['src', 'srcPort']));
  const packed = packExpectationTuple({ ...tuple, protocol }, `${path}.tuple`);
  const family = packed[part.family]!;
  const master = new TuplePacker(1);
  master.add(fields.master as TupleInit | Flow, `${path}.master`);
  if (master.bytes[part.family] !== family) {
    throw new RangeError(`${path}.tuple.src: is not of the family of ${path}.master`);
  }
  bytes.set(master.bytes, place.master);
  bytes.set(packed, place.tuple);
  bytes.set(sourceTuple(mask, `${path}.mask`, protocol, family, 0xff), place.mask);
  if (tuple.srcPort === undefined && mask.srcPort) {
    throw badType(`${path}.tuple.srcPort`, `a port, as ${path}.mask.srcPort is given`, undefined);
  }
  let has = 0;
  if (fields.nat !== undefined) {
    const nat = fieldsAt(fields.nat, `${path}.nat`, new Set(['direction', 'src', 'srcPort']));
    if (nat.src === undefined) throw badType(`${path}.nat.src`, 'an IP address', undefined);
    bytes.set(sourceTuple(nat, `${path}.nat`, protocol, family, 0), place.nat);
    bytes[place.natDirection] =
      direction[oneOf(nat.direction, `${path}.nat.direction`, directionNames)];
    has |= given.nat;
  }
  if (fields.timeout !== undefined) {
    const timeout = integerAt(fields.timeout, `${path}.timeout`, 1, 4_294_967);
    view.setUint32(place.timeout, timeout, littleEndian);
    has |= given.timeout;
  }
  if (fields.flags !== undefined) {
    view.setUint32(place.flags, flagsAt(fields.flags, `${path}.flags`), littleEndian);
    has |= given.flags;
  }
  if (fields.class !== undefined) {
    // Without a helper most kernels ignore the class in silence (ctnetlink_alloc_expect).
    if (fields.helper === undefined) {
      throw new TypeError(`${path}.class: is a number of ${path}.helper, which is not given`);
    }
    view.setUint32(place.policyClass, u8At(fields.class, `${path}.class`), littleEndian);
    has |= given.class;
  }
  // NF_CT_HELPER_NAME_LEN is 16 with the NUL.
  for (const [name, packedName, room] of [
    ['helper', 'helper', 15],
    ['fn', 'function', 63],
  ] as const) {
    if (fields[name] === undefined) continue;
    const text = stringAt(fields[name], `${path}.${name}`, room);
    if (text === '') throw badRange(`${path}.${name}`, 'a name', text);
    bytes.set(Buffer.from(text), place[packedName]);
    has |= given[packedName];
  }
  bytes[place.given] = has;
  return bytes;
}

function flagsAt(flags: unknown, path: string): number {
  return listAt(flags, path, 'an array of flags').reduce(
    (bits: number, flag, i) =>
      bits |
      (1 << expectationFlags.indexOf(oneOf(flag, `${path}[${i}]`, ['permanent', 'inactive']))),
    0,
  );
}
