// Tuples of flows in memory: how they are compared, turned round, and read from the packed form. Knows no flow.

import { littleEndian } from '../../conntrack/columns/netlink-attributes.js';
import { inverseIcmp } from '../../conntrack/input/identity.js';
import { AF_INET, protocolIsIcmp, protocolNumbers } from '../../constants.js';
import { packedTuple as place, tupleFlag } from '../../native/numbers.js';

/** One direction of a flow. The numbers are ports, or the id of ICMP and its `type << 8 | code`. */
export interface Tuple {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly first: number;
  readonly second: number;
}

/** A zone, and the direction that it is for. */
export interface Zone {
  readonly id: number;
  readonly of: 'both' | 'orig' | 'reply';
}

/** A tuple that names a flow, as a caller gave it. */
export interface Named {
  readonly family: 2 | 10;
  readonly protocol: number;
  readonly tuple: Tuple;
  /** `undefined`: two that differ. */
  readonly zone: Zone | undefined;
  readonly id: number | undefined;
  readonly start: bigint | undefined;
}

const trackedPorts = new Set<number>([
  ...[protocolNumbers.tcp, protocolNumbers.udp, protocolNumbers.gre],
  ...[protocolNumbers.sctp, protocolNumbers.udplite],
]);

/** Whether the tuples of this protocol have ports in the table. Kernels since 6.17 do not track DCCP. */
export const hasPorts = (protocol: number): boolean => trackedPorts.has(protocol);

/** The zone that a direction is looked up in. */
export const zoneIn = ({ id, of }: Zone, reply: boolean): number =>
  of === 'both' || (of === 'reply') === reply ? id : 0;

/** Equal texts mean equal tuples in the same zone. */
export function keyOf(protocol: number, tuple: Tuple, zone: number): string {
  const { src, dst, first, second } = tuple;
  return `${zone} ${protocol} ${src.join('.')} ${dst.join('.')} ${first} ${second}`;
}

/** The tuple of the other direction, without translation. */
export function inverted(protocol: number, { src, dst, first, second }: Tuple): Tuple {
  if (!protocolIsIcmp(protocol)) return { src: dst, dst: src, first: second, second: first };
  const type = inverseIcmp(protocol, second >> 8) ?? second >> 8;
  return { src: dst, dst: src, first, second: (type << 8) | (second & 0xff) };
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

/** The zone of a request: of both directions, or of one. Two that differ are refused by the kernel (EINVAL). */
export function zoneOf(
  both: number,
  orig: number | undefined,
  reply: number | undefined,
): Zone | undefined {
  const one = orig ?? reply;
  if (one === undefined) return { id: both, of: 'both' };
  if (both !== 0 || (orig !== undefined && orig !== 0 && reply !== undefined)) return undefined;
  return reply !== undefined ? { id: reply, of: 'reply' } : { id: one, of: 'orig' };
}

/** Reads a packed tuple. */
export function namedAt(bytes: Uint8Array, index: number): Named {
  const at = bytes.byteOffset + index * place.bytes;
  const view = new DataView(bytes.buffer, at, place.bytes);
  const flags = view.getUint8(place.flags);
  const u16 = (offset: number) => view.getUint16(offset, littleEndian);
  const family = view.getUint8(place.family) as 2 | 10;
  const protocol = view.getUint8(place.protocol);
  const size = family === AF_INET ? 4 : 16;
  const address = (offset: number) => new Uint8Array(bytes.buffer, at + offset, size).slice();
  const ports = (flags & tupleFlag.hasPorts) !== 0 && hasPorts(protocol);
  const icmp = (flags & tupleFlag.hasIcmp) !== 0;
  const typeAndCode = (view.getUint8(place.icmpType) << 8) | view.getUint8(place.icmpCode);
  const reply = (flags & tupleFlag.reply) !== 0;
  const tupleZone = (flags & tupleFlag.hasZone) !== 0 ? u16(place.tupleZone) : undefined;
  const zone = zoneOf(
    u16(place.zone),
    reply ? undefined : tupleZone,
    reply ? tupleZone : undefined,
  );
  return {
    family,
    protocol,
    tuple: {
      src: address(place.src),
      dst: address(place.dst),
      first: icmp ? u16(place.icmpId) : ports ? u16(place.srcPort) : 0,
      second: icmp ? typeAndCode : ports ? u16(place.dstPort) : 0,
    },
    zone,
    id: (flags & tupleFlag.hasId) !== 0 ? view.getUint32(place.id, littleEndian) : undefined,
    start:
      (flags & tupleFlag.hasStart) !== 0 ? view.getBigUint64(place.start, littleEndian) : undefined,
  };
}
