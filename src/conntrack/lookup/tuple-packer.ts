// Naming one flow: a tuple as callers give it, and its packed form (struct PackedTuple in schema.h).
import { noAddress, writeFlowAddress } from '../../address.js';
import {
  type Fields,
  familyAt,
  onlyFields,
  type Path,
  pathText,
  protocolAt,
  shallowCopyAt,
  u8At,
  u16At,
  u32At,
} from '../../checks.js';
import {
  AF_INET6,
  type Family,
  type Protocol,
  protocolIsIcmp,
  tupleHasPorts,
} from '../../constants.js';
import { badRange, badType } from '../../errors.js';
import type { ColumnStore } from '../columns/column-store.js';
import { has } from '../columns/schema.js';
import { Flow } from '../flow/flow.js';
import { attribute, cta } from '../flow/rare.js';

/** One direction of a flow to look for. Ports for protocols that have them, ICMP fields for ICMP. */
export interface TupleSideInit {
  src: string;
  dst: string;
  srcPort?: number | undefined;
  dstPort?: number | undefined;
  icmpType?: number | undefined;
  icmpCode?: number | undefined;
  icmpId?: number | undefined;
  /** Zone of this direction alone. */
  zone?: number | undefined;
}

/**
 * Names one flow by its original tuple (`orig`, or the fields of it directly) or by its reply tuple
 * (`reply`). A `Flow` and what `toObject()` gives name themselves, with their `id`.
 */
export interface TupleInit extends Partial<TupleSideInit> {
  protocol: Protocol;
  family?: Family;
  orig?: TupleSideInit;
  /** The reply tuple; beside the original one, which names the flow then, its `zone` alone will do. */
  reply?: TupleSideInit | { zone: number };
  /** Zone of both directions; 0 when left out. */
  zone?: number | undefined;
  /**
   * CTA_ID of the flow meant, of this very table: a flow with the same tuple and another id is then not it.
   * The kernel makes the id of the entry's place in memory and its tuple, and uses memory again at once: a
   * flow that takes the tuple of one that has just gone bears the same id more often than not. So an id never
   * proves that a flow is the one meant; `start` does.
   */
  id?: number;
  /**
   * Start of the flow meant (CTA_TIMESTAMP_START, nanoseconds since the epoch; as text, as JSON has it, too):
   * a flow that began at another time is then not it. Flows made while `nf_conntrack_timestamp` was 1 have
   * one; one that has none is not the one meant either.
   */
  start?: bigint | string | undefined;
}

export const tupleBytes = 60;
const flagReply = 1;
const flagId = 2;
const flagPorts = 4;
const flagIcmp = 8;
const flagZone = 16;
const flagStart = 32;
const startOffset = 52;

const sideFields = ['src', 'dst', 'srcPort', 'dstPort', 'icmpType', 'icmpCode', 'icmpId'] as const;
const ownFields = new Set<string>([
  'protocol',
  'family',
  'orig',
  'reply',
  'zone',
  'id',
  'start',
  ...sideFields,
]);
/** What a FlowObject has besides: it may be passed as it is. */
const flowFields = new Set<string>([
  ...ownFields,
  ...[
    'protocolNumber',
    'status',
    'statusBits',
    'state',
    'timeout',
    'mark',
    'use',
    'helper',
    'labels',
  ],
  ...['secctx', 'stop', 'nat', 'tcp', 'sctp', 'dccp', 'seqAdj', 'synproxy', 'master', 'unknown'],
]);
const sideAllowed = new Set<string>([...sideFields, 'zone', 'packets', 'bytes']);
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Packs tuples one after the other. Offsets are those of struct PackedTuple. */
export class TuplePacker {
  /** Packs nothing: one is always alive, so that V8 keeps the class and the code that knows it (see FieldPacker). */
  static readonly kept = new TuplePacker(0);

  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(count: number) {
    this.bytes = new Uint8Array(count * tupleBytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** The protocol of the first tuple. */
  get protocol(): number {
    return this.bytes[17]!;
  }

  /** Starts over, for a packer that is used again and again. */
  reset(): this {
    this.#at = 0;
    return this;
  }

  /**
   * The path is made for a message only. Id and start of a Flow are those of an entry of one table: they are
   * left out where the request is not for `table`.
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
    const fields = shallowCopyAt(tuple, path, 'a tuple or a Flow');
    for (const key in fields) {
      if (!flowFields.has(key)) onlyFields(fields, ownFields, pathText(path));
    }
    const protocol = protocolAt(fields.protocol, () => pathText(path, '.protocol'));
    const direct = fields.src !== undefined || fields.dst !== undefined;
    let side = fields;
    let part = '';
    let flags = 0;
    if (direct) {
      // The reply may give its zone alone, as in a FlowInit: the original tuple names the flow.
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
      flags |= flagReply;
    } else {
      throw new TypeError(`${pathText(path)}: names no tuple: give orig, reply, or src and dst`);
    }
    const family = this.#addresses(side, part, fields.family, path);
    flags |= this.#ports(side, path, part, protocol, family);
    if (!direct && side.zone !== undefined) {
      this.#u16(6, u16At(side.zone, pathText(path, `${part}.zone`)));
      flags |= flagZone;
    }
    if (fields.zone !== undefined) this.#u16(4, u16At(fields.zone, pathText(path, '.zone')));
    if (fields.id !== undefined) {
      this.#view.setUint32(this.#at, u32At(fields.id, pathText(path, '.id')), littleEndian);
      flags |= flagId;
    }
    if (fields.start !== undefined) {
      const start = startAt(fields.start, path);
      this.#view.setBigUint64(this.#at + startOffset, start, littleEndian);
      flags |= flagStart;
    }
    this.bytes[this.#at + 16] = family;
    this.bytes[this.#at + 17] = protocol;
    this.bytes[this.#at + 18] = flags;
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
    const family = this.#address(side.src, this.#at + 20, path, `${part}.src`);
    if (this.#address(side.dst, this.#at + 36, path, `${part}.dst`) !== family) {
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
      this.#u16(8, this.#port(side.srcPort, path, `${part}.srcPort`));
      this.#u16(10, this.#port(side.dstPort, path, `${part}.dstPort`));
      return flagPorts;
    }
    if (side.srcPort !== undefined || side.dstPort !== undefined) {
      refuse(side, ['srcPort', 'dstPort'], path, part, 'has no ports');
    }
    if (!icmp) return 0;
    const where = pathText(path, part);
    if ((protocol === 58) !== (family === AF_INET6)) {
      throw new RangeError(`${where}.src: icmp is IPv4, icmpv6 is IPv6`);
    }
    this.#u16(12, u16At(icmpId, `${where}.icmpId`));
    this.bytes[this.#at + 14] = u8At(icmpType, `${where}.icmpType`);
    this.bytes[this.#at + 15] = u8At(icmpCode, `${where}.icmpCode`);
    return flagIcmp;
  }

  #addFlow(store: ColumnStore, row: number, table: string | undefined): void {
    const presence = store.column('presence')[row]!;
    const at = this.#at;
    let flags = 0;
    if (table !== undefined && store.tableOf(row) === table) {
      if ((presence & has.id) !== 0) {
        this.#view.setUint32(at, store.column('id')[row]!, littleEndian);
        flags |= flagId;
      }
      if ((presence & has.start) !== 0) {
        const start = store.column('start')[row]!;
        this.#view.setBigUint64(at + startOffset, start, littleEndian);
        flags |= flagStart;
      }
    }
    this.#u16(4, store.column('zone')[row]!);
    const first = store.column('origSrcPort')[row]!;
    const second = store.column('origDstPort')[row]!;
    if ((presence & has.origPorts) !== 0) {
      flags |= flagPorts;
      this.#u16(8, first);
      this.#u16(10, second);
    }
    if ((presence & has.origIcmp) !== 0) {
      flags |= flagIcmp;
      this.#u16(12, first);
      this.bytes[at + 14] = second >> 8;
      this.bytes[at + 15] = second & 0xff;
    }
    if ((presence & has.origZone) !== 0) {
      const extra = store.extraBytes(row);
      const tuple = extra && attribute(extra, cta.tupleOrig);
      const zone = tuple && attribute(tuple, 3);
      if (zone) {
        this.#u16(6, (zone[0]! << 8) | zone[1]!);
        flags |= flagZone;
      }
    }
    this.bytes[at + 16] = store.column('family')[row]!;
    this.bytes[at + 17] = store.column('protocol')[row]!;
    this.bytes[at + 18] = flags;
    this.bytes.set(store.addressBytes(0, row), at + 20);
    this.bytes.set(store.addressBytes(1, row), at + 36);
  }
}

/** Nanoseconds since the epoch, as a bigint or as JSON has it. */
function startAt(value: unknown, path: Path): bigint {
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) value = BigInt(value);
  const at = pathText(path, '.start');
  if (typeof value !== 'bigint') throw badType(at, 'nanoseconds as a bigint or its text', value);
  if (value < 0n || value >= 1n << 64n) throw badRange(at, 'an unsigned 64-bit value', value);
  return value;
}

/**
 * Whether a flow that a lookup by tuple found is the one meant: it may be another that has the tuple now.
 * `packed` holds what was asked for, one tuple after the other.
 */
export function isMeant(found: Flow, packed: Uint8Array, index: number): boolean {
  const at = index * tupleBytes;
  const flags = packed[at + 18]!;
  if ((flags & (flagId | flagStart)) === 0) return true;
  const view = new DataView(packed.buffer, packed.byteOffset + at, tupleBytes);
  if ((flags & flagId) !== 0 && found.id !== view.getUint32(0, littleEndian)) return false;
  if ((flags & flagStart) === 0) return true;
  return found.start === view.getBigUint64(startOffset, littleEndian);
}

function sideAt(value: unknown, path: Path, part: string): Fields {
  const side = shallowCopyAt(value, () => pathText(path, part), 'an object');
  for (const key in side) {
    if (!sideAllowed.has(key)) onlyFields(side, sideAllowed, pathText(path, part));
  }
  return side;
}

/** Whether the zone, which is checked then, is all that is said of a reply tuple. */
export function hasZoneAlone(reply: Fields, path: Path): boolean {
  for (const key in reply) if (key !== 'zone' && reply[key] !== undefined) return false;
  if (reply.zone === undefined) return false;
  u16At(reply.zone, pathText(path, '.reply.zone'));
  return true;
}

/** Throws for the first of the fields that is there. */
function refuse(side: Fields, names: string[], path: Path, part: string, why: string): never {
  const name = names.find((one) => side[one] !== undefined);
  throw new TypeError(`${pathText(path, `${part}.${name}`)}: this protocol ${why}`);
}
