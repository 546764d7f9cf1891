// The row that the kernel would have sent for a flow in memory. Decides what a dump and an event tell of a flow.
import { formatIpv4, formatIpv6 } from '../../address.js';
import { MadeRows } from '../../conntrack/batch/made-rows.js';
import { ColumnStore } from '../../conntrack/columns/column-store.js';
import {
  columnLayout,
  field,
  has,
  lookupRowBytes,
  rowBytes,
} from '../../conntrack/columns/schema.js';
import type { FlowMaster } from '../../conntrack/flow/fields.js';
import { writeRare } from '../../conntrack/flow/rare.js';
import { type RareSource, writeTupleZone } from '../../conntrack/flow/rare-bytes.js';
import {
  AF_INET,
  protocolIsIcmp,
  protocolName,
  protocolNumbers,
  statusBits,
} from '../../constants.js';
import type { RawBatch } from '../../native/binding.js';
import { own } from '../../native/numbers.js';
import { type Entry, noLabels } from './entry.js';
import { hasPorts, type Tuple } from './tuple.js';

/** What an event tells beside the tuples, the zone, the id and the status. */
export const news = { protocol: 1, mark: 2, labels: 4, seqAdj: 8, synproxy: 16, all: 31 } as const;

/** What has happened to a flow: the flow as it was then. */
export interface FlowNews {
  readonly type: 'new' | 'update' | 'destroy';
  readonly flow: Readonly<Entry>;
  /** Bits of `news`. */
  readonly told: number;
  /** Milliseconds of the table's clock. */
  readonly at: number;
  /** The port id of the socket whose request caused it; 0: the kernel. All of them are of this process. */
  readonly portid: number;
  /** Nanoseconds since the epoch, where the flow has a start. */
  readonly timestamp: bigint | undefined;
}

function putTuple(rows: MadeRows, entry: Readonly<Entry>, tuple: Tuple, reply: boolean): void {
  const side = reply ? 'reply' : 'orig';
  rows.putAddress(`${side}Src`, tuple.src);
  rows.putAddress(`${side}Dst`, tuple.dst);
  if (protocolIsIcmp(entry.protocol)) {
    rows.u16(reply ? field.replyIcmpId : field.icmpId, tuple.first);
    rows.u8(reply ? field.replyIcmpType : field.icmpType, tuple.second >> 8);
    rows.u8(reply ? field.replyIcmpCode : field.icmpCode, tuple.second & 0xff);
  } else if (hasPorts(entry.protocol)) {
    rows.put(`${side}SrcPort`, tuple.first);
    rows.put(`${side}DstPort`, tuple.second);
  }
}

function putProtocol(rows: MadeRows, entry: Readonly<Entry>, stateOnly: boolean): void {
  const { protocol } = entry;
  const tcp = protocol === protocolNumbers.tcp;
  if (!tcp && protocol !== protocolNumbers.sctp) return;
  rows.put('state', entry.state);
  if (!tcp) rows.note(has.sctp);
  if (!tcp || stateOnly) return;
  rows.put('tcpFlagsOrig', entry.flags[0]);
  rows.put('tcpFlagsReply', entry.flags[1]);
  rows.put('tcpWscaleOrig', entry.scales[0]);
  rows.put('tcpWscaleReply', entry.scales[1]);
}

function putEnd(rows: MadeRows, { counters, start, stop }: Readonly<Entry>): void {
  if (counters !== undefined) {
    rows.put('origPackets', counters[0].packets);
    rows.put('origBytes', counters[0].bytes);
    rows.put('replyPackets', counters[1].packets);
    rows.put('replyBytes', counters[1].bytes);
  }
  if (start !== undefined) rows.put('start', start);
  if (stop !== undefined) rows.put('stop', stop);
}

const none: readonly number[] = [];

/** The numbers of the labels that are set. */
function labelsOf(bitmap: Uint8Array | undefined): readonly number[] {
  if (bitmap === undefined || bitmap === noLabels) return none;
  return Array.from({ length: 128 }, (_, bit) => bit).filter(
    (bit) => (bitmap[bit >> 3]! >> (bit & 7)) & 1,
  );
}

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 16) return formatIpv6(bytes);
  return formatIpv4(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
}

/** The original tuple of a flow in plain words. */
export function masterOf({ protocol, orig }: Readonly<Entry>): FlowMaster {
  const ports = hasPorts(protocol) ? { srcPort: orig.first, dstPort: orig.second } : {};
  return {
    protocol: protocolName(protocol),
    src: addressText(orig.src),
    dst: addressText(orig.dst),
    ...ports,
  };
}

function putRare(rows: MadeRows, entry: Readonly<Entry>, told: number, stateOnly: boolean): void {
  const { zone, helper, seqAdj, synproxy, master, protocol, tags } = entry;
  if (zone.of !== 'both' && zone.id !== 0) writeTupleZone(rows.run, zone.of === 'reply', zone.id);
  if (told < 0) return;
  const labels = told & news.labels ? labelsOf(entry.labels) : none;
  const adjusted = (told & news.seqAdj) !== 0 && (entry.status & statusBits.seq_adjust) !== 0;
  const proxied =
    synproxy !== undefined &&
    (told & news.synproxy) !== 0 &&
    synproxy.isn + synproxy.its + synproxy.tsoff > 0;
  const sctp = protocol === protocolNumbers.sctp && (told & news.protocol) !== 0 && !stateOnly;
  if (!(helper || labels.length > 0 || sctp || adjusted || proxied || master)) return;
  const source: RareSource = {
    family: entry.family === AF_INET ? 'ipv4' : 'ipv6',
    ...(helper && { helper }),
    ...(labels.length > 0 && { labels }),
    ...(sctp && { sctp: { vtag: { orig: tags[0], reply: tags[1] } } }),
    ...(seqAdj && adjusted && { seqAdj: { orig: seqAdj[0], reply: seqAdj[1] } }),
    ...(proxied && { synproxy }),
    ...(master && { master: masterOf(master) }),
  };
  writeRare(rows.run, source);
}

function putCommon(rows: MadeRows, entry: Readonly<Entry>): void {
  rows.next();
  rows.put('family', entry.family);
  rows.put('protocol', entry.protocol);
  rows.put('id', entry.id);
  rows.put('status', entry.status);
  putTuple(rows, entry, entry.orig, false);
  putTuple(rows, entry, entry.reply, true);
  if (entry.zone.of === 'both' && entry.zone.id !== 0) rows.put('zone', entry.zone.id);
}

const secondsLeft = (entry: Readonly<Entry>, now: number) =>
  Math.max(0, Math.floor((entry.expires - now) / 1000));

/** A row of a dump or a lookup. */
export function addRow(rows: MadeRows, entry: Readonly<Entry>, now: number, use: number): void {
  putCommon(rows, entry);
  rows.put('timeout', secondsLeft(entry, now));
  rows.put('mark', entry.mark);
  rows.put('use', use);
  putProtocol(rows, entry, false);
  putEnd(rows, entry);
  putRare(rows, entry, news.all, false);
  rows.end();
}

/** Every request in memory is one of this process. */
export const ownOf = (portid: number) => (portid === 0 ? own.no : own.yes);

/** The row of an event. */
export function addNews(rows: MadeRows, event: FlowNews): void {
  const { type, flow, told, at, portid, timestamp } = event;
  const ended = type === 'destroy';
  putCommon(rows, flow);
  const left = secondsLeft(flow, at);
  if (!ended || left > 0) rows.put('timeout', left);
  if (flow.mark !== 0 || (!ended && told & news.mark)) rows.put('mark', flow.mark);
  if (ended) putEnd(rows, flow);
  if (ended || told & news.protocol) putProtocol(rows, flow, ended);
  // The end tells nothing that is rare; an update tells no master.
  putRare(rows, type === 'new' ? flow : { ...flow, master: undefined }, ended ? -1 : told, ended);
  rows.setEvent({ type, nsid: -1, portid, own: ownOf(portid), timestamp });
  rows.end();
}

/** A batch of these flows. */
export function batchOf(entries: readonly Readonly<Entry>[], now: number, use = 1): RawBatch {
  const rows = new MadeRows(entries.length);
  for (const entry of entries) addRow(rows, entry, now, use);
  return rows.finish();
}

/** Writes a row into the memory of a lookup, as native code does. Gives the bytes of its rare attributes. */
export function writeLookup(
  batch: RawBatch,
  arena: Uint8Array,
  capacity: number,
  at: number,
  extra: Uint8Array,
): number {
  const store = ColumnStore.fromRaw(batch);
  for (const [name, { size, prefix }] of Object.entries(columnLayout)) {
    const column = store.column(name as keyof typeof columnLayout);
    const bytes = new Uint8Array(column.buffer, column.byteOffset, size);
    arena.set(bytes, capacity * prefix + at * size);
  }
  if (store.column('family')[0] !== AF_INET) {
    const words = new DataView(arena.buffer, arena.byteOffset);
    const perRow = (lookupRowBytes - rowBytes) / 16;
    for (const side of [0, 1, 2, 3] as const) {
      const slot = at * perRow + side;
      arena.set(store.addressBytes(side, 0), capacity * rowBytes + slot * 16);
      const name = (['origSrc', 'origDst', 'replySrc', 'replyDst'] as const)[side];
      const place = arena.byteOffset + capacity * columnLayout[name].prefix + at * 4;
      new Uint32Array(words.buffer, place, 1)[0] = slot;
    }
  }
  const rare = store.extraBytes(0);
  if (rare === undefined) return 0;
  extra.set(rare.subarray(0, extra.length));
  return rare.length;
}
