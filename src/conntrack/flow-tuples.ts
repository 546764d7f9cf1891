// The two tuples of a flow to write: checked and packed straight from what the caller gave, for this is
// what createMany does for every flow. The other direction is derived where only one is given.
import { type Fields, type Path, pathText, u8At, u16At } from '../checks.js';
import { AF_INET6, protocolHasPorts, protocolIsIcmp } from '../constants.js';
import { badRange, badType } from '../errors.js';
import { field } from './columns.js';
import type { FieldPacker } from './field-packer.js';

/** The fields of one tuple in the request. The library derives the reply's ICMP fields from the other's. */
interface TupleFields {
  src: number;
  dst: number;
  srcPort: number;
  dstPort: number;
  icmp: boolean;
  zone?: number;
}

export const origFields: TupleFields = {
  src: field.origSrc,
  dst: field.origDst,
  srcPort: field.origSrcPort,
  dstPort: field.origDstPort,
  icmp: true,
  zone: field.origZone,
};
export const replyFields: TupleFields = {
  src: field.replySrc,
  dst: field.replyDst,
  srcPort: field.replySrcPort,
  dstPort: field.replyDstPort,
  icmp: false,
  zone: field.replyZone,
};
export const masterFields: TupleFields = {
  src: field.masterSrc,
  dst: field.masterDst,
  srcPort: field.masterSrcPort,
  dstPort: field.masterDstPort,
  icmp: false,
};

/** A tuple that was packed: where its addresses are, and the rest of its values. */
export interface PackedSide {
  family: 2 | 10;
  srcAt: number;
  dstAt: number;
  srcPort: number;
  dstPort: number;
  icmpType: number;
  icmpCode: number;
  icmpId: number;
  zone: number | undefined;
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

function port(side: Fields, name: string, path: Path, part: string): number {
  const value = side[name];
  if (typeof value === 'number' && (value & 0xffff) === value) return value;
  return u16At(value, pathText(path, `${part}.${name}`));
}

function address(
  packer: FieldPacker,
  code: number,
  side: Fields,
  name: 'src' | 'dst',
  path: Path,
  part: string,
): { at: number; family: 2 | 10 } {
  const text = side[name];
  if (typeof text !== 'string') {
    throw badType(pathText(path, `${part}.${name}`), 'an IP address as text', text);
  }
  const packed = packer.address(code, text);
  if (packed.family === 0) {
    throw badRange(pathText(path, `${part}.${name}`), 'an IPv4 or IPv6 address', text);
  }
  return packed as { at: number; family: 2 | 10 };
}

/** Checks and packs one tuple; `part` follows `path` in messages: `.orig`. */
export function packSide(
  packer: FieldPacker,
  codes: TupleFields,
  side: Fields,
  protocol: number,
  path: Path,
  part: string,
): PackedSide {
  const src = address(packer, codes.src, side, 'src', path, part);
  const dst = address(packer, codes.dst, side, 'dst', path, part);
  const { family } = src;
  if (dst.family !== family) {
    const where = pathText(path, part);
    throw new RangeError(`${where}.dst: is not of the family of ${where}.src`);
  }
  const packed: PackedSide = {
    family,
    srcAt: src.at,
    dstAt: dst.at,
    srcPort: 0,
    dstPort: 0,
    icmpType: 0,
    icmpCode: 0,
    icmpId: 0,
    zone: undefined,
  };
  if (protocolHasPorts(protocol)) {
    packed.srcPort = port(side, 'srcPort', path, part);
    packed.dstPort = port(side, 'dstPort', path, part);
    packer.u16(codes.srcPort, packed.srcPort);
    packer.u16(codes.dstPort, packed.dstPort);
  } else if (side.srcPort !== undefined || side.dstPort !== undefined) {
    const name = side.srcPort !== undefined ? 'srcPort' : 'dstPort';
    throw new TypeError(`${pathText(path, part)}.${name}: this protocol has no ports`);
  }
  if (protocolIsIcmp(protocol)) {
    readIcmp(packed, side, protocol, pathText(path, part));
    if (codes.icmp) packIcmp(packer, packed.icmpType, packed);
  }
  if (codes.zone !== undefined && side.zone !== undefined) {
    packed.zone = u16At(side.zone, pathText(path, `${part}.zone`));
    packer.u16(codes.zone, packed.zone);
  }
  return packed;
}

function readIcmp(packed: PackedSide, side: Fields, protocol: number, path: string): void {
  if ((protocol === 58) !== (packed.family === AF_INET6)) {
    throw new RangeError(`${path}.src: icmp is IPv4, icmpv6 is IPv6`);
  }
  packed.icmpType = u8At(side.icmpType, `${path}.icmpType`);
  packed.icmpCode = u8At(side.icmpCode, `${path}.icmpCode`);
  packed.icmpId = u16At(side.icmpId, `${path}.icmpId`);
  if (inverseIcmp(protocol, packed.icmpType) === undefined) {
    const expected = 'a type that conntrack pairs with a reply';
    throw badRange(`${path}.icmpType`, expected, packed.icmpType);
  }
}

function packIcmp(packer: FieldPacker, type: number, side: PackedSide): void {
  packer.u8(field.icmpType, type);
  packer.u8(field.icmpCode, side.icmpCode);
  packer.u16(field.icmpId, side.icmpId);
}

/** Packs the tuple of the other direction, without translation and without its zone. */
export function packInverse(
  packer: FieldPacker,
  codes: TupleFields,
  of: PackedSide,
  protocol: number,
): void {
  const size = of.family === AF_INET6 ? 16 : 4;
  packer.copy(codes.src, of.dstAt, size);
  packer.copy(codes.dst, of.srcAt, size);
  if (protocolHasPorts(protocol)) {
    packer.u16(codes.srcPort, of.dstPort);
    packer.u16(codes.dstPort, of.srcPort);
  }
  if (protocolIsIcmp(protocol) && codes.icmp) {
    packIcmp(packer, inverseIcmp(protocol, of.icmpType)!, of);
  }
}
