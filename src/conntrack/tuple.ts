// Naming one flow: a tuple as callers give it, and its packed form (struct PackedTuple in schema.h).
import { writeAddress } from '../address.js';
import {
  type Fields,
  familyAt,
  objectAt,
  onlyFields,
  protocolAt,
  u8At,
  u16At,
  u32At,
} from '../checks.js';
import {
  AF_INET6,
  type Family,
  type Protocol,
  protocolIsIcmp,
  tupleHasPorts,
} from '../constants.js';
import { badRange, badType } from '../errors.js';
import { attribute, cta } from './attributes.js';
import type { ColumnStore } from './column-store.js';
import { has } from './columns.js';
import { Flow } from './flow.js';

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
  reply?: TupleSideInit;
  /** Zone of both directions; 0 when left out. */
  zone?: number | undefined;
  /** CTA_ID of the flow meant: another flow with the same tuple is then not it. */
  id?: number;
}

export const tupleBytes = 52;
const flagReply = 1;
const flagId = 2;
const flagPorts = 4;
const flagIcmp = 8;
const flagZone = 16;

const sideFields = ['src', 'dst', 'srcPort', 'dstPort', 'icmpType', 'icmpCode', 'icmpId'] as const;
const ownFields = new Set<string>([
  'protocol',
  'family',
  'orig',
  'reply',
  'zone',
  'id',
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
  ...[
    'secctx',
    'start',
    'stop',
    'nat',
    'tcp',
    'sctp',
    'dccp',
    'seqAdj',
    'synproxy',
    'master',
    'unknown',
  ],
]);
const sideAllowed = new Set<string>([...sideFields, 'zone', 'packets', 'bytes']);
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Packs tuples one after the other. Offsets are those of struct PackedTuple. */
export class TuplePacker {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(count: number) {
    this.bytes = new Uint8Array(count * tupleBytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Starts over, for a packer that is used again and again. */
  reset(): this {
    this.#at = 0;
    return this;
  }

  add(tuple: TupleInit | Flow, path: string): void {
    const at = this.#at;
    this.bytes.fill(0, at, at + tupleBytes);
    if (tuple instanceof Flow) this.#addFlow(tuple.source.store, tuple.source.row);
    else this.#addInit(tuple, path);
    this.#at = at + tupleBytes;
  }

  #u16(offset: number, value: number): void {
    this.#view.setUint16(this.#at + offset, value, littleEndian);
  }

  #addInit(tuple: TupleInit, path: string): void {
    if (typeof tuple !== 'object' || tuple === null)
      throw badType(path, 'a tuple or a Flow', tuple);
    const fields = tuple as unknown as Fields;
    for (const key in fields) if (!flowFields.has(key)) onlyFields(fields, ownFields, path);
    const protocol = protocolAt(fields.protocol, `${path}.protocol`);
    const direct = fields.src !== undefined || fields.dst !== undefined;
    let side = fields;
    let sidePath = path;
    let flags = 0;
    if (direct) {
      if (fields.orig !== undefined || fields.reply !== undefined) {
        throw new TypeError(`${path}.src: ${path}.orig or ${path}.reply is given as well`);
      }
    } else if (fields.orig !== undefined) {
      side = objectAt(fields.orig, `${path}.orig`);
      sidePath = `${path}.orig`;
    } else if (fields.reply !== undefined) {
      side = objectAt(fields.reply, `${path}.reply`);
      sidePath = `${path}.reply`;
      flags |= flagReply;
    } else {
      throw new TypeError(`${path}: names no tuple: give orig, reply, or src and dst`);
    }
    if (!direct)
      for (const key in side) if (!sideAllowed.has(key)) onlyFields(side, sideAllowed, sidePath);
    const family = this.#addresses(side, sidePath, fields.family, path);
    flags |= this.#ports(side, sidePath, protocol, family);
    if (!direct && side.zone !== undefined) {
      this.#u16(6, u16At(side.zone, `${sidePath}.zone`));
      flags |= flagZone;
    }
    if (fields.zone !== undefined) this.#u16(4, u16At(fields.zone, `${path}.zone`));
    if (fields.id !== undefined) {
      this.#view.setUint32(this.#at, u32At(fields.id, `${path}.id`), littleEndian);
      flags |= flagId;
    }
    this.bytes[this.#at + 16] = family;
    this.bytes[this.#at + 17] = protocol;
    this.bytes[this.#at + 18] = flags;
  }

  #addresses(side: Fields, sidePath: string, family: unknown, path: string): 2 | 10 {
    const families: (0 | 2 | 10)[] = [];
    for (const [name, offset] of [
      ['src', 20],
      ['dst', 36],
    ] as const) {
      const text = side[name];
      if (typeof text !== 'string')
        throw badType(`${sidePath}.${name}`, 'an IP address as text', text);
      const found = writeAddress(text, this.bytes, this.#at + offset);
      if (found === 0) throw badRange(`${sidePath}.${name}`, 'an IPv4 or IPv6 address', text);
      families.push(found);
    }
    if (families[0] !== families[1]) {
      throw new RangeError(`${sidePath}.dst: is not of the family of ${sidePath}.src`);
    }
    if (
      family !== undefined &&
      (familyAt(family, `${path}.family`) === 'ipv4' ? 2 : 10) !== families[0]
    ) {
      throw new RangeError(`${sidePath}.src: is not of ${path}.family`);
    }
    return families[0] as 2 | 10;
  }

  #ports(side: Fields, path: string, protocol: number, family: 2 | 10): number {
    const icmp = protocolIsIcmp(protocol);
    if (!icmp) {
      for (const name of ['icmpType', 'icmpCode', 'icmpId'])
        refuse(side, name, path, 'has no ICMP fields');
    }
    if (tupleHasPorts(protocol, side)) {
      this.#u16(8, u16At(side.srcPort, `${path}.srcPort`));
      this.#u16(10, u16At(side.dstPort, `${path}.dstPort`));
      return flagPorts;
    }
    for (const name of ['srcPort', 'dstPort']) refuse(side, name, path, 'has no ports');
    if (!icmp) return 0;
    if ((protocol === 58) !== (family === AF_INET6)) {
      throw new RangeError(`${path}.src: icmp is IPv4, icmpv6 is IPv6`);
    }
    this.#u16(12, u16At(side.icmpId, `${path}.icmpId`));
    this.bytes[this.#at + 14] = u8At(side.icmpType, `${path}.icmpType`);
    this.bytes[this.#at + 15] = u8At(side.icmpCode, `${path}.icmpCode`);
    return flagIcmp;
  }

  #addFlow(store: ColumnStore, row: number): void {
    const presence = store.column('presence')[row]!;
    const at = this.#at;
    let flags = 0;
    if ((presence & has.id) !== 0) {
      this.#view.setUint32(at, store.column('id')[row]!, littleEndian);
      flags |= flagId;
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

function refuse(side: Fields, name: string, path: string, why: string): void {
  if (side[name] !== undefined) throw new TypeError(`${path}.${name}: this protocol ${why}`);
}
