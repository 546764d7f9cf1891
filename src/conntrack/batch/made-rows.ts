// Rows that no kernel sent, in the columns that native code fills elsewhere. Knows where a value goes, not what a flow
// needs.
import { writeAddress } from '../../address.js';
import { AF_INET } from '../../constants.js';
import type { RawBatch } from '../../native/binding.js';
import { eventTypeNames } from '../../native/numbers.js';
import { type ColumnName, type ColumnStore, roundRows, sideOf } from '../columns/column-store.js';
import { attributeRun } from '../columns/netlink-attributes.js';
import { attributeOf, columnLayout, field, has, rowBytes } from '../columns/schema.js';
import { AttributeRun } from '../flow/rare-bytes.js';
import { FieldPacker, type Slot } from '../input/field-packer.js';

/** Where a packed field goes, and its bits of presence. With a `shift` it is a part of the value. */
interface Place {
  column: ColumnName;
  bits: number;
  shift?: number;
}

/** What makes an event of a row. */
export interface MadeEvent {
  readonly type: (typeof eventTypeNames)[number];
  readonly nsid: number;
  readonly portid: number;
  /** A number of `own`. */
  readonly own: number;
  readonly timestamp: bigint | undefined;
}

/** A column of the rows that are made. */
interface Target {
  readonly view: { [row: number]: number | bigint };
  readonly bits: number;
  readonly group: number;
}

const names = Object.keys(columnLayout) as ColumnName[];
/** The columns of events: a row that is copied is no event any more. */
const eventGroup = columnLayout.type.group;
const bits = Object.fromEntries(
  names.map((name) => [name, attributeOf[name as keyof typeof attributeOf]?.bit ?? 0]),
) as Readonly<Record<ColumnName, number>>;
const own = names.filter((name): name is ColumnName & keyof typeof field => name in field);
const placeOf = new Map<number, Place>([
  ...own.map((name) => [field[name], { column: name, bits: bits[name] }] as const),
  // ICMP has its id, its type and its code where others have ports.
  [field.icmpId, { column: 'origSrcPort', bits: has.origIcmp }],
  [field.icmpType, { column: 'origDstPort', bits: has.origIcmp, shift: 8 }],
  [field.icmpCode, { column: 'origDstPort', bits: has.origIcmp, shift: 0 }],
  [field.replyIcmpId, { column: 'replySrcPort', bits: has.replyIcmp }],
  [field.replyIcmpType, { column: 'replyDstPort', bits: has.replyIcmp, shift: 8 }],
  [field.replyIcmpCode, { column: 'replyDstPort', bits: has.replyIcmp, shift: 0 }],
  // What a source becomes is the destination of the reply.
  [field.natSrc, { column: 'replyDst', bits: has.reply }],
  [field.natSrcPort, { column: 'replyDstPort', bits: has.replyPorts }],
  [field.natDst, { column: 'replySrc', bits: has.reply }],
  [field.natDstPort, { column: 'replySrcPort', bits: has.replyPorts }],
]);

const places = Array.from({ length: Math.max(...placeOf.keys()) + 1 }, (_, i) => placeOf.get(i));

const bothCounters = has.origCounters | has.replyCounters;

/**
 * It takes the fields of a flow as a packer does, and puts each into its column. Rare attributes come as bytes (`extra`):
 * their fields have no column.
 */
export class MadeRows extends FieldPacker {
  readonly #capacity: number;
  readonly #arena: ArrayBuffer;
  readonly #columns: Readonly<Record<ColumnName, Target>>;
  #addresses = new Uint8Array(64);
  #size6 = 0;
  readonly #extraIndex: number[] = [];
  /** The rare attributes of all rows. */
  readonly run = new AttributeRun();
  #runBegin = 0;
  #row = -1;
  #presence = 0;
  #v6 = false;
  /** Where the IPv6 addresses of the row begin. */
  #begin6 = 0;
  #group = 0;

  constructor(rows: number) {
    super();
    this.#capacity = roundRows(rows);
    this.#arena = new ArrayBuffer(this.#capacity * rowBytes);
    const columns = names.map((name) => {
      const { array, prefix, group } = columnLayout[name];
      const view = new array(this.#arena, this.#capacity * prefix, rows);
      return [name, { view, group, bits: bits[name] }];
    });
    this.#columns = Object.fromEntries(columns) as Record<ColumnName, Target>;
  }

  /** Begins a row. Where its family is said to be IPv6, an IPv4-mapped address stays one of IPv6. */
  next(family?: unknown): void {
    this.#row = this.count++;
    this.#presence = 0;
    this.#v6 = family === 'ipv6';
    this.#begin6 = this.#size6;
    this.#runBegin = this.run.size;
  }

  /** Notes that the row has these attributes. */
  note(bits: number): void {
    this.#presence |= bits;
  }
  /** Whether the row has one of these attributes. */
  has(bits: number): boolean {
    return (this.#presence & bits) !== 0;
  }
  /** Puts a value into a column. */
  put(name: ColumnName, value: number | bigint): void {
    const target = this.#columns[name];
    this.#set(target, value, target.bits);
  }
  #set({ view, group }: Target, value: number | bigint, bits: number): void {
    view[this.#row] = value;
    this.#presence |= bits;
    if (group > this.#group) this.#group = group;
  }
  get(name: ColumnName): number {
    return Number(this.#columns[name].view[this.#row]);
  }
  differ(a: ColumnName, b: ColumnName): boolean {
    return this.get(a) !== this.get(b);
  }

  override read(slot: Slot, text: string): 0 | 2 | 10 {
    return this.#v6 ? writeAddress(text, this.slotBytes, slot * 16) : super.read(slot, text);
  }
  override u8(number: number, value: number): void {
    this.u32(number, value);
  }
  override u16(number: number, value: number): void {
    this.u32(number, value);
  }
  override u32(number: number, value: number): void {
    const place = places[number];
    if (place === undefined) return;
    const { column, bits, shift } = place;
    const whole = shift === undefined ? value : this.get(column) | (value << shift);
    this.#set(this.#columns[column], whole, bits);
  }
  override address(number: number, slot: Slot, family: 2 | 10): void {
    const place = places[number];
    const length = family === AF_INET ? 4 : 16;
    if (place !== undefined) {
      this.putAddress(place.column, this.slotBytes.subarray(slot * 16, slot * 16 + length));
    }
  }
  override u32s(): void {}
  override u64(): void {}
  override bytes(): void {}

  /** An IPv4 address is its own value. An IPv6 address is stored once for a row, as native code does it. */
  putAddress(name: ColumnName, bytes: Uint8Array): void {
    if (bytes.length === 4) {
      const [a, b, c, d] = bytes as unknown as [number, number, number, number];
      this.put(name, ((a << 24) | (b << 16) | (c << 8) | d) >>> 0);
      return;
    }
    let at = this.#begin6;
    while (at < this.#size6 && !this.#is(bytes, at)) at += 16;
    if (at === this.#size6) this.#append(bytes);
    this.put(name, at / 16);
  }
  #is(bytes: Uint8Array, at: number): boolean {
    for (let i = 0; i < 16; i++) if (this.#addresses[at + i] !== bytes[i]) return false;
    return true;
  }
  #append(bytes: Uint8Array): void {
    if (this.#size6 === this.#addresses.length) {
      const larger = new Uint8Array(this.#size6 * 2);
      larger.set(this.#addresses);
      this.#addresses = larger;
    }
    this.#addresses.set(bytes, this.#size6);
    this.#size6 += 16;
  }

  /** Ends the row: its presence, and its rare attributes where it has any. */
  override end(): void {
    const { run } = this;
    if (run.presenceMore !== 0) this.put('presenceMore', run.presenceMore);
    this.put('presence', this.#presence | run.presence);
    run.presence = 0;
    run.presenceMore = 0;
    if (run.size === this.#runBegin) return;
    run.end();
    this.#extraIndex.push(this.#row, this.#runBegin);
  }

  /** Fills the row with one that was read, as it is. */
  copy({ store, row }: { store: ColumnStore; row: number }): void {
    for (const name of names) {
      if (!store.stores(name) || columnLayout[name].group === eventGroup) continue;
      const side = sideOf[name];
      if (side !== undefined) this.putAddress(name, store.addressBytes(side, row));
      else this.put(name, store.column(name)[row]!);
    }
    this.#presence = store.column('presence')[row]! & ~has.timestampEvent;
    const extra = store.extraBytes(row);
    if (extra !== undefined) this.run.raw(attributeRun(extra));
  }

  /** Makes an event of the row. */
  setEvent({ type, nsid, portid, own, timestamp }: MadeEvent): void {
    this.put('type', eventTypeNames.indexOf(type));
    this.put('nsid', nsid);
    this.put('portid', portid);
    this.put('own', own);
    if (timestamp !== undefined) this.put('timestampEvent', timestamp);
  }

  /** The batch, as native code would hand it over. */
  finish(): RawBatch {
    const kept = names.filter((name) => columnLayout[name].group <= this.#group);
    const bytes = kept.reduce((sum, name) => sum + columnLayout[name].size, 0);
    let withoutCounters = 0;
    for (let row = 0; row < this.count; row++) {
      const presence = this.#columns.presence.view[row] as number;
      if ((presence & bothCounters) !== bothCounters) withoutCounters++;
    }
    return {
      rows: this.count,
      capacity: this.#capacity,
      withoutCounters,
      arena: this.#arena.slice(0, this.#capacity * bytes),
      addresses: this.#addresses.slice(0, this.#size6).buffer,
      extraIndex: Uint32Array.from(this.#extraIndex).buffer,
      extra: this.run.written.slice().buffer,
    };
  }
}
