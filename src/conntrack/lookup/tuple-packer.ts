// Tuples that name flows, packed for native code (struct PackedTuple), and the question whether a flow
// that was found is the one that such a tuple means.
import { noAddress, writeFlowAddress } from '../../address.js';
import {
  type Fields,
  familyAt,
  type Path,
  pathText,
  protocolAt,
  u8At,
  u16At,
  u32At,
} from '../../checks.js';
import { AF_INET6, protocolIsIcmp, tupleHasPorts } from '../../constants.js';
import { badType } from '../../errors.js';
import { tupleFlag as flag, packedTuple as place } from '../../native/numbers.js';
import type { ColumnStore } from '../columns/column-store.js';
import { littleEndian } from '../columns/netlink-attributes.js';
import { has } from '../columns/schema.js';
import { Flow } from '../flow/flow.js';
import { tupleZone } from '../flow/rare.js';
import { hasZoneAlone, sideAt, startAt, type TupleInit, tupleAt } from '../input/tuple.js';

/** Bytes of a packed tuple. */
export const tupleBytes = place.bytes;

/** Packs tuples one after the other. */
export class TuplePacker {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(count: number) {
    this.bytes = new Uint8Array(count * tupleBytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** What was packed, without a copy. */
  get packed(): Uint8Array {
    return this.bytes.subarray(0, this.#at);
  }

  /** The protocol of the first tuple. */
  get protocol(): number {
    return this.bytes[place.protocol]!;
  }

  /** Starts again in the same memory. */
  reset(): this {
    this.#at = 0;
    return this;
  }

  /**
   * Adds a tuple. The path is for messages only. `table` is the table that the request is for: a Flow of another
   * table is packed without its id and its start.
   */
  add(tuple: TupleInit | Flow, path: Path, table?: string): void {
    const at = this.#at;
    this.bytes.fill(0, at, at + tupleBytes);
    if (Flow.isFlow(tuple)) this.#addFlow(tuple.source.store, tuple.source.row, table);
    else this.#addInit(tuple, path);
    this.#at = at + tupleBytes;
  }

  #u16(offset: number, value: number): void {
    this.#view.setUint16(this.#at + offset, value, littleEndian);
  }

  #addInit(tuple: TupleInit, path: Path): void {
    const fields = tupleAt(tuple, path);
    const protocol = protocolAt(fields.protocol, () => pathText(path, '.protocol'));
    const direct = fields.src !== undefined || fields.dst !== undefined;
    let side = fields;
    let part = '';
    let flags = 0;
    if (direct) {
      // The reply may have nothing but its zone, as in a FlowInit. The original tuple names the flow then.
      const { reply } = fields;
      const zoneAlone = reply !== undefined && hasZoneAlone(sideAt(reply, path, '.reply'), path);
      if (fields.orig !== undefined || (reply !== undefined && !zoneAlone)) {
        const where = pathText(path);
        throw new TypeError(`${where}.src: ${where}.orig or ${where}.reply is given as well`);
      }
    } else if (fields.orig !== undefined) {
      part = '.orig';
      side = sideAt(fields.orig, path, part);
    } else if (fields.reply !== undefined) {
      part = '.reply';
      side = sideAt(fields.reply, path, part);
      flags |= flag.reply;
    } else {
      throw new TypeError(`${pathText(path)}: names no tuple: give orig, reply, or src and dst`);
    }
    const family = this.#addresses(side, part, fields.family, path);
    flags |= this.#ports(side, path, part, protocol, family);
    if (!direct && side.zone !== undefined) {
      this.#u16(place.tupleZone, u16At(side.zone, pathText(path, `${part}.zone`)));
      flags |= flag.hasZone;
    }
    if (fields.zone !== undefined)
      this.#u16(place.zone, u16At(fields.zone, pathText(path, '.zone')));
    if (fields.id !== undefined) {
      this.#view.setUint32(
        this.#at + place.id,
        u32At(fields.id, pathText(path, '.id')),
        littleEndian,
      );
      flags |= flag.hasId;
    }
    if (fields.start !== undefined) {
      const start = startAt(fields.start, path);
      this.#view.setBigUint64(this.#at + place.start, start, littleEndian);
      flags |= flag.hasStart;
    }
    this.bytes[this.#at + place.family] = family;
    this.bytes[this.#at + place.protocol] = protocol;
    this.bytes[this.#at + place.flags] = flags;
  }

  #address(text: unknown, at: number, path: Path, part: string): 2 | 10 {
    if (typeof text !== 'string') {
      throw badType(pathText(path, part), 'an IP address as text', text);
    }
    const family = writeFlowAddress(text, this.bytes, at);
    if (family === 0) throw noAddress(pathText(path, part), text);
    return family;
  }

  #addresses(side: Fields, part: string, wanted: unknown, path: Path): 2 | 10 {
    const family = this.#address(side.src, this.#at + place.src, path, `${part}.src`);
    if (this.#address(side.dst, this.#at + place.dst, path, `${part}.dst`) !== family) {
      const where = pathText(path, part);
      throw new RangeError(`${where}.dst: is not of the family of ${where}.src`);
    }
    if (wanted !== undefined) {
      const name = familyAt(wanted, pathText(path, '.family'));
      if ((name === 'ipv4' ? 2 : 10) !== family) {
        throw new RangeError(`${pathText(path, part)}.src: is not of ${pathText(path)}.family`);
      }
    }
    return family;
  }

  #port(value: unknown, path: Path, part: string): number {
    if (typeof value === 'number' && (value & 0xffff) === value) return value;
    return u16At(value, pathText(path, part));
  }

  #ports(side: Fields, path: Path, part: string, protocol: number, family: 2 | 10): number {
    const icmp = protocolIsIcmp(protocol);
    const { icmpType, icmpCode, icmpId } = side;
    if (!icmp && (icmpType !== undefined || icmpCode !== undefined || icmpId !== undefined)) {
      refuse(side, ['icmpType', 'icmpCode', 'icmpId'], path, part, 'has no ICMP fields');
    }
    if (tupleHasPorts(protocol, side)) {
      this.#u16(place.srcPort, this.#port(side.srcPort, path, `${part}.srcPort`));
      this.#u16(place.dstPort, this.#port(side.dstPort, path, `${part}.dstPort`));
      return flag.hasPorts;
    }
    if (side.srcPort !== undefined || side.dstPort !== undefined) {
      refuse(side, ['srcPort', 'dstPort'], path, part, 'has no ports');
    }
    if (!icmp) return 0;
    const where = pathText(path, part);
    if ((protocol === 58) !== (family === AF_INET6)) {
      throw new RangeError(`${where}.src: icmp is IPv4, icmpv6 is IPv6`);
    }
    this.#u16(place.icmpId, u16At(icmpId, `${where}.icmpId`));
    this.bytes[this.#at + place.icmpType] = u8At(icmpType, `${where}.icmpType`);
    this.bytes[this.#at + place.icmpCode] = u8At(icmpCode, `${where}.icmpCode`);
    return flag.hasIcmp;
  }

  #addFlow(store: ColumnStore, row: number, table: string | undefined): void {
    const presence = store.column('presence')[row]!;
    const at = this.#at;
    let flags = 0;
    if (table !== undefined && store.tableOf(row) === table) {
      if ((presence & has.id) !== 0) {
        this.#view.setUint32(at + place.id, store.column('id')[row]!, littleEndian);
        flags |= flag.hasId;
      }
      if ((presence & has.start) !== 0) {
        const start = store.column('start')[row]!;
        this.#view.setBigUint64(at + place.start, start, littleEndian);
        flags |= flag.hasStart;
      }
    }
    this.#u16(place.zone, store.column('zone')[row]!);
    const first = store.column('origSrcPort')[row]!;
    const second = store.column('origDstPort')[row]!;
    if ((presence & has.origPorts) !== 0) {
      flags |= flag.hasPorts;
      this.#u16(place.srcPort, first);
      this.#u16(place.dstPort, second);
    }
    if ((presence & has.origIcmp) !== 0) {
      flags |= flag.hasIcmp;
      this.#u16(place.icmpId, first);
      this.bytes[at + place.icmpType] = second >> 8;
      this.bytes[at + place.icmpCode] = second & 0xff;
    }
    if ((presence & has.origZone) !== 0) {
      const extra = store.extraBytes(row);
      const zone = extra && tupleZone(extra, false);
      if (zone !== undefined) {
        this.#u16(place.tupleZone, zone);
        flags |= flag.hasZone;
      }
    }
    this.bytes[at + place.family] = store.column('family')[row]!;
    this.bytes[at + place.protocol] = store.column('protocol')[row]!;
    this.bytes[at + place.flags] = flags;
    this.bytes.set(store.addressBytes(0, row), at + place.src);
    this.bytes.set(store.addressBytes(1, row), at + place.dst);
  }
}

/**
 * Whether the flow that a lookup found is the one meant: another flow may have its tuple now. `packed` holds the
 * tuples of the lookup, one after the other.
 */
export function isMeant(found: Flow, packed: Uint8Array, index: number): boolean {
  const at = index * tupleBytes;
  const flags = packed[at + place.flags]!;
  if ((flags & (flag.hasId | flag.hasStart)) === 0) return true;
  const view = new DataView(packed.buffer, packed.byteOffset + at, tupleBytes);
  if ((flags & flag.hasId) !== 0 && found.id !== view.getUint32(place.id, littleEndian))
    return false;
  if ((flags & flag.hasStart) === 0) return true;
  return found.start === view.getBigUint64(place.start, littleEndian);
}

/** Throws for the first of these fields that is given. */
function refuse(side: Fields, names: string[], path: Path, part: string, why: string): never {
  const name = names.find((one) => side[one] !== undefined);
  throw new TypeError(`${pathText(path, `${part}.${name}`)}: this protocol ${why}`);
}
