// What a packet does to the table: finds its flow or makes one, counts, renews the timeout, and moves the state on. It
// reads no payload: an answer, a further packet, and what the test says.
import { fieldsAt, oneOf, u64At } from '../../checks.js';
import { FieldPacker } from '../../conntrack/input/field-packer.js';
import { takeInit } from '../../conntrack/input/init.js';
import { packFlowInit } from '../../conntrack/input/pack-init.js';
import { sideFields } from '../../conntrack/input/tuple.js';
import {
  protocolName,
  protocolNumbers,
  type StateName,
  stateNames,
  statusBits,
} from '../../constants.js';
import { natOf, newEntry, type Room, tupleOf } from './create.js';
import { type Counters, type Entry, noLabels, packedFlows } from './entry.js';
import type { ExpectationTable } from './expectation-table.js';
import type { FlowTable } from './flow-table.js';
import { type Nat, translate } from './nat.js';
import { news } from './rows.js';
import { inverted, type Tuple, type Zone } from './tuple.js';

/** A packet, after its checks. */
interface Packet {
  readonly family: 2 | 10;
  readonly protocol: number;
  readonly tuple: Tuple;
  readonly zone: Zone;
  readonly bytes: bigint;
  readonly count: bigint;
  /** Of TCP and SCTP: the number of the state that it leads to. */
  readonly state: number | undefined;
  /** What the ends of a new flow become. */
  readonly nat: Nat | undefined;
}

const packetFields = new Set([
  ...['protocol', 'family', 'zone', 'nat', 'state', 'packets', 'bytes', ...sideFields],
]);

/** Checks a packet as a flow is checked that is to be made of it. */
function packetAt(given: unknown): Packet {
  const fields = fieldsAt(given, 'packet', packetFields, 'a packet', packetFields);
  const { state, packets = 1n, bytes = 0n, ...init } = fields;
  const packer = new FieldPacker();
  packFlowInit(packer, takeInit({ ...init, timeout: 1 } as never, 'packet'), 'packet');
  const [packed] = packedFlows(packer.packed);
  const protocol = packed!.number('protocol')!;
  const names = stateNames(protocol);
  if (state !== undefined && names === undefined) {
    throw new TypeError('packet.state: this protocol has no states');
  }
  const name = state === undefined ? undefined : oneOf(state, 'packet.state', names!);
  return {
    family: packed!.number('family') as 2 | 10,
    protocol,
    tuple: tupleOf(packed!, protocol, false),
    zone: { id: packed!.number('zone') ?? 0, of: 'both' },
    bytes: u64At(bytes, 'packet.bytes'),
    count: u64At(packets, 'packet.packets'),
    state: name === undefined ? undefined : names!.indexOf(name as StateName),
    nat: natOf(packed!),
  };
}

const { tcp, sctp } = protocolNumbers;
const synSent = 1;
const synRecv = 2;
const tcpEstablished = 3;
const sctpCookieWait = 2;
/** A UDP flow is a stream when it is still answered after so many milliseconds (nf_conntrack_proto_udp.c). */
const streamAfter = 2000;

function counted(counters: Counters, { count, bytes }: Packet): Counters {
  return { packets: counters.packets + count, bytes: counters.bytes + bytes };
}

/** The state that a packet leads to, where nobody says which. */
function nextState(entry: Entry, reply: boolean): number {
  if (entry.protocol !== tcp) return entry.state;
  if (entry.state === synSent && reply) return synRecv;
  return entry.state === synRecv && !reply ? tcpEstablished : entry.state;
}

/** Whether the flow is one that a full table keeps. */
function isAssured(table: FlowTable, entry: Entry): boolean {
  if ((entry.status & statusBits.seen_reply) === 0) return false;
  if (entry.protocol === tcp) return entry.state >= tcpEstablished;
  if (entry.protocol === sctp) return entry.state >= 4;
  const name = protocolName(entry.protocol);
  const streams = name === 'udp' || name === 'udplite' || name === 'gre';
  return streams && table.now - entry.made >= streamAfter;
}

function renew(table: FlowTable, entry: Entry): void {
  if ((entry.status & statusBits.fixed_timeout) !== 0) return;
  const answered = (entry.status & statusBits.assured) !== 0;
  const name = protocolName(entry.protocol);
  entry.expires = table.now + table.settings.timeout(name, entry.state, answered) * 1000;
}

function meet(table: FlowTable, entry: Entry, reply: boolean, packet: Packet): void {
  const { status, state } = entry;
  if (reply) entry.status |= statusBits.seen_reply;
  entry.state = packet.state ?? nextState(entry, reply);
  if (isAssured(table, entry)) entry.status |= statusBits.assured;
  if (entry.counters !== undefined) {
    const [orig, back] = entry.counters;
    entry.counters = reply ? [orig, counted(back, packet)] : [counted(orig, packet), back];
  }
  renew(table, entry);
  const moved = entry.state !== state;
  if (moved || entry.status !== status) table.tell('update', entry, moved ? news.protocol : 0);
}

/** False: the table is full, or another flow has the translated tuple, and the packet is dropped. */
function begin(
  table: FlowTable,
  expectations: ExpectationTable,
  packet: Packet,
  room: Room,
): boolean {
  const { family, protocol, tuple, zone, nat } = packet;
  if (!table.room()) {
    table.counts.drop++;
    return false;
  }
  const plain = { reply: inverted(protocol, tuple), status: 0 };
  const { reply, status } = nat ? translate(table, protocol, zone, tuple, nat) : plain;
  const labels = room.labels ? noLabels : undefined;
  const parts = { family, protocol, orig: tuple, reply, zone, labels };
  const entry = newEntry(table, { ...parts, status: status | statusBits.confirmed, seconds: 0 });
  entry.state =
    packet.state ?? (protocol === tcp ? synSent : protocol === sctp ? sctpCookieWait : 0);
  if (entry.counters !== undefined)
    entry.counters = [counted(entry.counters[0], packet), entry.counters[1]];
  renew(table, entry);
  if (!table.add(entry)) {
    table.counts.drop++;
    return false;
  }
  const expected = expectations.meet({ ...packet, id: undefined, start: undefined });
  if (expected !== undefined) {
    entry.master = expected.master;
    entry.mark = expected.master.mark;
    entry.helper = expected.helper;
    entry.status |= statusBits.expected;
  }
  table.tell('new', entry, news.protocol);
  return true;
}

/** Takes a packet to the table. False: it is dropped. */
export function meetPacket(
  table: FlowTable,
  expectations: ExpectationTable,
  given: unknown,
  room: Room,
): boolean {
  const packet = packetAt(given);
  const hit = table.find(packet.protocol, packet.tuple, packet.zone);
  if (hit === undefined) return begin(table, expectations, packet, room);
  meet(table, hit.entry, hit.reply, packet);
  return true;
}
