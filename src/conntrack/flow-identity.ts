// The tuples of a flow to create: read from what callers give, the missing one derived, and packed.
import { parseAddress } from '../address.js';
import { type Fields, familyAt, objectAt, onlyFields, protocolAt, u8At, u16At } from '../checks.js';
import { AF_INET6, protocolIsIcmp, tupleHasPorts } from '../constants.js';
import { badRange } from '../errors.js';
import { field } from './columns.js';
import type { FieldPacker } from './field-packer.js';

export const tupleFields = [
  ...['src', 'dst', 'srcPort', 'dstPort', 'icmpType', 'icmpCode', 'icmpId'],
];
const sideFields = new Set([...tupleFields, 'zone', 'packets', 'bytes']);

export interface Tuple {
  src: Uint8Array;
  dst: Uint8Array;
  srcPort?: number;
  dstPort?: number;
  icmp?: { type: number; code: number; id: number };
  zone?: number;
}

const child = (path: string, name: string) => `${path}.${name}`;

function refuse(side: Fields, names: readonly string[], path: string, why: string): void {
  for (const name of names) {
    if (side[name] !== undefined) throw new TypeError(`${path}.${name}: this protocol ${why}`);
  }
}

export function readTuple(
  side: Fields,
  path: string,
  protocol: number,
): { tuple: Tuple; family: 2 | 10 } {
  const src = parseAddress(side.src, child(path, 'src'));
  const dst = parseAddress(side.dst, child(path, 'dst'));
  if (src.family !== dst.family)
    throw new RangeError(`${path}.dst: is not of the family of ${path}.src`);
  const tuple: Tuple = { src: src.bytes, dst: dst.bytes };
  if (tupleHasPorts(protocol, side)) {
    tuple.srcPort = u16At(side.srcPort, child(path, 'srcPort'));
    tuple.dstPort = u16At(side.dstPort, child(path, 'dstPort'));
  } else {
    refuse(side, ['srcPort', 'dstPort'], path, 'has no ports');
  }
  if (protocolIsIcmp(protocol)) tuple.icmp = readIcmp(side, path, protocol, src.family);
  else refuse(side, ['icmpType', 'icmpCode', 'icmpId'], path, 'has no ICMP fields');
  if (side.zone !== undefined) tuple.zone = u16At(side.zone, child(path, 'zone'));
  return { tuple, family: src.family };
}

function readIcmp(side: Fields, path: string, protocol: number, family: 2 | 10) {
  if ((protocol === 58) !== (family === AF_INET6)) {
    throw new RangeError(`${path}.src: icmp is IPv4, icmpv6 is IPv6`);
  }
  const type = u8At(side.icmpType, child(path, 'icmpType'));
  if (inverseIcmp(protocol, type) === undefined) {
    throw badRange(child(path, 'icmpType'), 'a type that conntrack pairs with a reply', type);
  }
  const code = u8At(side.icmpCode, child(path, 'icmpCode'));
  return { type, code, id: u16At(side.icmpId, child(path, 'icmpId')) };
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

function inverseIcmp(protocol: number, type: number): number | undefined {
  return (protocol === 58 ? icmp6Pairs : icmpPairs).get(type);
}

/** The tuple of the other direction, without translation. */
export function invert(tuple: Tuple, protocol: number): Tuple {
  const inverse: Tuple = { src: tuple.dst, dst: tuple.src };
  if (tuple.srcPort !== undefined) {
    inverse.srcPort = tuple.dstPort!;
    inverse.dstPort = tuple.srcPort;
  }
  if (tuple.icmp) inverse.icmp = { ...tuple.icmp, type: inverseIcmp(protocol, tuple.icmp.type)! };
  return inverse;
}

export interface Identity {
  family: 2 | 10;
  protocol: number;
  orig: Tuple;
  reply: Tuple;
  origGiven: boolean;
  replyGiven: boolean;
}

export function identify(fields: Fields, path: string): Identity {
  const protocol = protocolAt(fields.protocol, child(path, 'protocol'));
  const read = (value: unknown, at: string) => {
    const side = objectAt(value, at);
    onlyFields(side, sideFields, at);
    return readTuple(side, at, protocol);
  };
  const direct = fields.src !== undefined || fields.dst !== undefined;
  if (direct && fields.orig !== undefined)
    throw new TypeError(`${path}.src: ${path}.orig is given as well`);
  const orig = direct
    ? readTuple({ ...fields, zone: undefined }, path, protocol)
    : fields.orig !== undefined
      ? read(fields.orig, child(path, 'orig'))
      : undefined;
  const reply = fields.reply !== undefined ? read(fields.reply, child(path, 'reply')) : undefined;
  const some = orig ?? reply;
  if (some === undefined)
    throw new TypeError(`${path}: names no tuple: give orig, reply, or src and dst`);
  if (orig && reply && orig.family !== reply.family) {
    throw new RangeError(`${path}.reply: is not of the family of ${path}.orig`);
  }
  if (fields.family !== undefined) {
    const family = familyAt(fields.family, child(path, 'family')) === 'ipv4' ? 2 : 10;
    if (family !== some.family)
      throw new RangeError(`${path}.family: is not that of the addresses`);
  }
  return {
    family: some.family,
    protocol,
    orig: orig?.tuple ?? invert(some.tuple, protocol),
    reply: reply?.tuple ?? invert(some.tuple, protocol),
    origGiven: orig !== undefined,
    replyGiven: reply !== undefined,
  };
}

export function packTuple(packer: FieldPacker, tuple: Tuple, reply: boolean): void {
  packer.bytes(reply ? field.replySrc : field.origSrc, tuple.src);
  packer.bytes(reply ? field.replyDst : field.origDst, tuple.dst);
  if (tuple.srcPort !== undefined) {
    packer.u16(reply ? field.replySrcPort : field.origSrcPort, tuple.srcPort);
    packer.u16(reply ? field.replyDstPort : field.origDstPort, tuple.dstPort!);
  }
  if (tuple.icmp) {
    packer.u8(reply ? field.replyIcmpType : field.icmpType, tuple.icmp.type);
    packer.u8(reply ? field.replyIcmpCode : field.icmpCode, tuple.icmp.code);
    packer.u16(reply ? field.replyIcmpId : field.icmpId, tuple.icmp.id);
  }
  if (tuple.zone !== undefined) packer.u16(reply ? field.replyZone : field.origZone, tuple.zone);
}
