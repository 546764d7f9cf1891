// The tuples of a flow to create: reading what callers give, deriving the tuple that is missing, and packing both.
// This runs for every flow of a createMany, so it makes nothing that only a message needs.
import { noAddress } from '../../address.js';
import {
  type Fields,
  familyAt,
  objectAt,
  onlyFields,
  type Path,
  pathText,
  u8At,
  u16At,
} from '../../checks.js';
import { AF_INET6, protocolIsIcmp, tupleHasPorts } from '../../constants.js';
import { badRange, badType } from '../../errors.js';
import { field } from '../columns/schema.js';
import type { FieldPacker, Slot } from './field-packer.js';
import { hasZoneAlone, sideAllowed } from './tuple.js';

/** A tuple whose addresses are in slots of the packer. */
export interface Tuple {
  src: Slot;
  dst: Slot;
  srcPort: number | undefined;
  dstPort: number | undefined;
  icmp: { type: number; code: number; id: number } | undefined;
  zone: number | undefined;
}

function refuse(side: Fields, names: readonly string[], path: string, why: string): void {
  for (const name of names) {
    if (side[name] !== undefined) throw new TypeError(`${path}.${name}: this protocol ${why}`);
  }
}

function address(packer: FieldPacker, slot: Slot, text: unknown, path: Path, part: string): 2 | 10 {
  if (typeof text !== 'string') {
    throw badType(pathText(path, part), 'an IP address as text', text);
  }
  const family = packer.read(slot, text);
  if (family === 0) throw noAddress(pathText(path, part), text);
  return family;
}

function port(value: unknown, path: Path, part: string): number {
  if (typeof value === 'number' && (value & 0xffff) === value) return value;
  return u16At(value, pathText(path, part));
}

/**
 * Reads one tuple; `part` follows `path` in messages: `.orig`. With `anyIcmp` its type need not be one that has a reply.
 */
export function readTuple(
  packer: FieldPacker,
  slots: readonly [src: Slot, dst: Slot],
  side: Fields,
  protocol: number,
  path: Path,
  part = '',
  anyIcmp = false,
): { tuple: Tuple; family: 2 | 10 } {
  const [src, dst] = slots;
  const family = address(packer, src, side.src, path, `${part}.src`);
  if (address(packer, dst, side.dst, path, `${part}.dst`) !== family) {
    const where = pathText(path, part);
    throw new RangeError(`${where}.dst: is not of the family of ${where}.src`);
  }
  const tuple: Tuple = {
    src,
    dst,
    srcPort: undefined,
    dstPort: undefined,
    icmp: undefined,
    zone: undefined,
  };
  if (tupleHasPorts(protocol, side)) {
    tuple.srcPort = port(side.srcPort, path, `${part}.srcPort`);
    tuple.dstPort = port(side.dstPort, path, `${part}.dstPort`);
  } else {
    refuse(side, ['srcPort', 'dstPort'], pathText(path, part), 'has no ports');
  }
  if (protocolIsIcmp(protocol)) {
    tuple.icmp = readIcmp(side, pathText(path, part), protocol, family, anyIcmp);
  } else if (
    side.icmpType !== undefined ||
    side.icmpCode !== undefined ||
    side.icmpId !== undefined
  ) {
    const names = ['icmpType', 'icmpCode', 'icmpId'];
    refuse(side, names, pathText(path, part), 'has no ICMP fields');
  }
  if (side.zone !== undefined) tuple.zone = port(side.zone, path, `${part}.zone`);
  return { tuple, family };
}

function readIcmp(side: Fields, path: string, protocol: number, family: 2 | 10, anyIcmp: boolean) {
  if ((protocol === 58) !== (family === AF_INET6)) {
    throw new RangeError(`${path}.src: icmp is IPv4, icmpv6 is IPv6`);
  }
  const type = u8At(side.icmpType, `${path}.icmpType`);
  if (!anyIcmp && inverseIcmp(protocol, type) === undefined) {
    throw badRange(`${path}.icmpType`, 'a type that conntrack pairs with a reply', type);
  }
  const code = u8At(side.icmpCode, `${path}.icmpCode`);
  return { type, code, id: u16At(side.icmpId, `${path}.icmpId`) };
}

// invmap of nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c.
const icmpPairs = new Map([
  [8, 0],
  [0, 8],
  [13, 14],
  [14, 13],
  [15, 16],
  [16, 15],
  [17, 18],
  [18, 17],
]);
const icmp6Pairs = new Map([
  [128, 129],
  [129, 128],
  [139, 140],
  [140, 139],
]);

export function inverseIcmp(protocol: number, type: number): number | undefined {
  return (protocol === 58 ? icmp6Pairs : icmpPairs).get(type);
}

/** The tuple of the other direction, without translation. */
export function invert(tuple: Tuple, protocol: number): Tuple {
  const { icmp } = tuple;
  return {
    src: tuple.dst,
    dst: tuple.src,
    srcPort: tuple.dstPort,
    dstPort: tuple.srcPort,
    icmp: icmp && { type: inverseIcmp(protocol, icmp.type)!, code: icmp.code, id: icmp.id },
    zone: undefined,
  };
}

export interface Identity {
  family: 2 | 10;
  protocol: number;
  orig: Tuple;
  reply: Tuple;
  origGiven: boolean;
  replyGiven: boolean;
}

/** As `onlyFields`, but without a list of the keys. */
export function knownFields(
  value: Fields,
  allowed: ReadonlySet<string>,
  path: Path,
  part = '',
): Fields {
  for (const key in value) {
    if (!allowed.has(key)) onlyFields(value, allowed, pathText(path, part));
  }
  return value;
}

const origSlots = [0, 1] as const;
const replySlots = [2, 3] as const;

function readSide(
  packer: FieldPacker,
  value: unknown,
  protocol: number,
  path: Path,
  part: '.orig' | '.reply',
  anyIcmp: boolean,
) {
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
  const side = plain ? (value as Fields) : objectAt(value, pathText(path, part));
  knownFields(side, sideAllowed, path, part);
  const slots = part === '.orig' ? origSlots : replySlots;
  return readTuple(packer, slots, side, protocol, path, part, anyIcmp);
}

/**
 * Reads the tuples, and derives the one that is missing. `bothAsGiven`: where both are given, they are taken as they
 * are, also with a type of ICMP that the kernel would track no flow of.
 */
export function identify(
  packer: FieldPacker,
  fields: Fields,
  protocol: number,
  path: Path,
  bothAsGiven = false,
): Identity {
  const direct = fields.src !== undefined || fields.dst !== undefined;
  if (direct && fields.orig !== undefined) {
    const where = pathText(path);
    throw new TypeError(`${where}.src: ${where}.orig is given as well`);
  }
  const anyIcmp =
    bothAsGiven &&
    (direct || fields.orig !== undefined) &&
    (fields.reply as Fields | null | undefined)?.src !== undefined;
  // A `zone` beside `src` and `dst` is the zone of the flow, not of the direction.
  const own = direct && fields.zone !== undefined ? { ...fields, zone: undefined } : fields;
  const orig = direct
    ? readTuple(packer, origSlots, own, protocol, path, '', anyIcmp)
    : fields.orig !== undefined
      ? readSide(packer, fields.orig, protocol, path, '.orig', anyIcmp)
      : undefined;
  const said = fields.reply as Fields | null | undefined;
  // Beside the original tuple, the reply may have nothing but its zone. The rest is derived.
  const zone =
    orig !== undefined && said?.zone !== undefined && hasZoneAlone(said, path)
      ? (said.zone as number)
      : undefined;
  const reply =
    fields.reply !== undefined && zone === undefined
      ? readSide(packer, fields.reply, protocol, path, '.reply', anyIcmp)
      : undefined;
  const some = orig ?? reply;
  if (some === undefined) {
    throw new TypeError(`${pathText(path)}: names no tuple: give orig, reply, or src and dst`);
  }
  const { family } = some;
  if (orig && reply && reply.family !== family) {
    const where = pathText(path);
    throw new RangeError(`${where}.reply: is not of the family of ${where}.orig`);
  }
  if (fields.family !== undefined) {
    const given = fields.family === 'ipv4' ? 2 : fields.family === 'ipv6' ? 10 : 0;
    if (given === 0) familyAt(fields.family, pathText(path, '.family')); // throws
    if (given !== family) {
      throw new RangeError(`${pathText(path, '.family')}: is not that of the addresses`);
    }
  }
  return {
    family,
    protocol,
    orig: orig?.tuple ?? invert(some.tuple, protocol),
    reply: reply?.tuple ?? { ...invert(some.tuple, protocol), zone },
    origGiven: orig !== undefined,
    replyGiven: reply !== undefined,
  };
}

export function packTuple(
  packer: FieldPacker,
  tuple: Tuple,
  family: 2 | 10,
  reply: boolean,
  zone: number | undefined,
): void {
  packer.address(reply ? field.replySrc : field.origSrc, tuple.src, family);
  packer.address(reply ? field.replyDst : field.origDst, tuple.dst, family);
  if (tuple.srcPort !== undefined) {
    packer.u16(reply ? field.replySrcPort : field.origSrcPort, tuple.srcPort);
    packer.u16(reply ? field.replyDstPort : field.origDstPort, tuple.dstPort!);
  }
  if (tuple.icmp) {
    packer.u8(reply ? field.replyIcmpType : field.icmpType, tuple.icmp.type);
    packer.u8(reply ? field.replyIcmpCode : field.icmpCode, tuple.icmp.code);
    packer.u16(reply ? field.replyIcmpId : field.icmpId, tuple.icmp.id);
  }
  if (zone !== undefined) packer.u16(reply ? field.replyZone : field.origZone, zone);
}
