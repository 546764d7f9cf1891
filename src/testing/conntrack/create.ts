// What the kernel does with a request for a new flow (ctnetlink_create_conntrack): its checks in their order, and what
// it makes. Changes nothing of a flow that is there.

import type { SeqAdj } from '../../conntrack/flow/fields.js';
import { settableBits } from '../../conntrack/input/writable.js';
import { protocolIsIcmp, protocolNumbers, statusBits } from '../../constants.js';
import { type Entry, type Fields, noLabels, type Pair } from './entry.js';
import type { FlowTable } from './flow-table.js';
import { helperFits } from './helpers.js';
import { type Nat, translate } from './nat.js';
import { type Answer, done, errno } from './refusal.js';
import { news } from './rows.js';
import { hasPorts, type Tuple, type Zone, zoneOf } from './tuple.js';

/** The longest time that every kernel can hold: INT_MAX jiffies at 1000 Hz, in seconds. */
const longest = 2_147_483;

/** What the table of a kernel has room for. */
export interface Room {
  /** Whether new flows have room for labels: in a kernel, whether a rule uses them. */
  readonly labels: boolean;
}

/** A tuple of a request. */
export function tupleOf(fields: Fields, protocol: number, reply: boolean): Tuple {
  const src = fields.bytes(reply ? 'replySrc' : 'origSrc')!;
  const dst = fields.bytes(reply ? 'replyDst' : 'origDst')!;
  if (protocolIsIcmp(protocol)) {
    const type = fields.number(reply ? 'replyIcmpType' : 'icmpType') ?? 0;
    const code = fields.number(reply ? 'replyIcmpCode' : 'icmpCode') ?? 0;
    const id = fields.number(reply ? 'replyIcmpId' : 'icmpId') ?? 0;
    return { src, dst, first: id, second: (type << 8) | code };
  }
  const ports = hasPorts(protocol);
  const first = fields.number(reply ? 'replySrcPort' : 'origSrcPort');
  const second = fields.number(reply ? 'replyDstPort' : 'origDstPort');
  return { src, dst, first: ports ? (first ?? 0) : 0, second: ports ? (second ?? 0) : 0 };
}

/** The flow that a request to change one names. */
export function namedBy(table: FlowTable, fields: Fields): Entry | undefined {
  const protocol = fields.number('protocol')!;
  const zone = zoneOf(
    fields.number('zone') ?? 0,
    fields.number('origZone'),
    fields.number('replyZone'),
  );
  const tuple = tupleOf(fields, protocol, !fields.has('origSrc'));
  return zone && table.find(protocol, tuple, zone)?.entry;
}

/** The translation of a request; `undefined`: none. */
export function natOf(fields: Fields): Nat | undefined {
  if (!fields.has('natSrc', 'natSrcPort', 'natDst', 'natDstPort')) return undefined;
  return {
    src: { address: fields.bytes('natSrc'), port: fields.number('natSrcPort') },
    dst: { address: fields.bytes('natDst'), port: fields.number('natDstPort') },
  };
}

/** The flow that another one names as its master; `undefined`: there is none. */
function masterOf(table: FlowTable, fields: Fields, zone: Zone): Entry | undefined {
  const protocol = fields.number('masterProtocol')!;
  const ports = hasPorts(protocol);
  const tuple: Tuple = {
    src: fields.bytes('masterSrc')!,
    dst: fields.bytes('masterDst')!,
    first: ports ? (fields.number('masterSrcPort') ?? 0) : 0,
    second: ports ? (fields.number('masterDstPort') ?? 0) : 0,
  };
  return table.find(protocol, tuple, zone)?.entry;
}

/** Sequence adjustment of one direction. The offsets are signed. */
export function seqAdjOf(words: readonly number[] | undefined): SeqAdj | undefined {
  if (words === undefined) return undefined;
  const [correctionPos = 0, before = 0, after = 0] = words;
  return { correctionPos, offsetBefore: before | 0, offsetAfter: after | 0 };
}

/** TCP flags as they are, with those of a request under its masks. */
export function flagsOf(fields: Fields, old: Pair<number>): Pair<number> {
  const of = (flags: number | undefined, mask: number | undefined, before: number) =>
    flags === undefined ? before : (before & ~(mask ?? 0xff)) | (flags & (mask ?? 0xff));
  return [
    of(fields.number('tcpFlagsOrig'), fields.number('tcpMaskOrig'), old[0]),
    of(fields.number('tcpFlagsReply'), fields.number('tcpMaskReply'), old[1]),
  ];
}

const noAdj: SeqAdj = { correctionPos: 0, offsetBefore: 0, offsetAfter: 0 };
const none: Pair<number> = [0, 0];
const noCounters = { packets: 0n, bytes: 0n };

/** What is the same in every new flow, however it is made. */
export function newEntry(
  table: FlowTable,
  given: Pick<Entry, 'family' | 'protocol' | 'orig' | 'reply' | 'zone' | 'status' | 'labels'> & {
    seconds: number;
  },
): Entry {
  const { acct, timestamp } = table.settings.values;
  // All fields in one place: so all entries have one shape.
  return {
    family: given.family,
    protocol: given.protocol,
    orig: given.orig,
    reply: given.reply,
    zone: given.zone,
    status: given.status,
    labels: given.labels,
    id: table.nextId(),
    expires: table.now + given.seconds * 1000,
    made: table.now,
    mark: 0,
    state: 0,
    flags: none,
    scales: none,
    tags: none,
    helper: undefined,
    seqAdj: undefined,
    synproxy: undefined,
    master: undefined,
    counters: acct ? [noCounters, noCounters] : undefined,
    start: timestamp ? table.time() : undefined,
    stop: undefined,
    reports: table.reports,
  };
}

/** What native code would find missing in the new flow when it reads it again. */
function missing(fields: Fields, protocol: number, seconds: number, room: Room): Answer {
  const labels = fields.bytes('labels')?.some((byte) => byte !== 0) ?? false;
  if (labels && !room.labels) {
    return { errno: errno.ENOSPC, detail: 'labels: no rule in the namespace makes room for them' };
  }
  const untaken = (detail: string): Answer => ({ errno: errno.EOPNOTSUPP, detail });
  if (seconds > longest) return untaken('timeout: this kernel cannot hold that many seconds');
  if (fields.has('origSrcPort') && !hasPorts(protocol)) {
    return untaken('ports: this kernel does not track the protocol');
  }
  const dccp =
    protocol === protocolNumbers.dccp && fields.has('state', 'dccpRole', 'dccpHandshake');
  if (dccp) return untaken('dccp: this kernel does not track the protocol');
  if (fields.has('helperInfo')) return untaken('helperInfo: the helper takes none');
  return done;
}

/** Makes a flow. */
export function createFlow(table: FlowTable, fields: Fields, room: Room): Answer {
  const family = fields.number('family') as 2 | 10;
  const protocol = fields.number('protocol')!;
  const zone = zoneOf(
    fields.number('zone') ?? 0,
    fields.number('origZone'),
    fields.number('replyZone'),
  );
  if (zone === undefined) return { errno: errno.EINVAL };
  const orig = tupleOf(fields, protocol, false);
  if (table.find(protocol, orig, zone)) return { errno: errno.EEXIST };
  if (!table.room()) return { errno: errno.ENOMEM };
  const seconds = fields.number('timeout');
  if (seconds === undefined) return { errno: errno.EINVAL };
  const helper = fields.text('helper');
  if (helper && !helperFits(helper, { family, protocol })) return { errno: errno.EOPNOTSUPP };
  let reply = tupleOf(fields, protocol, true);
  let status = statusBits.confirmed | ((fields.number('status') ?? 0) & settableBits);
  const nat = natOf(fields);
  if (nat !== undefined) {
    const translated = translate(table, protocol, zone, orig, nat);
    reply = translated.reply;
    status |= translated.status;
  }
  if (helper) status |= statusBits.helper;
  const adj = [
    seqAdjOf(fields.words('seqAdjOrig')),
    seqAdjOf(fields.words('seqAdjReply')),
  ] as const;
  if (adj[0] || adj[1]) status |= statusBits.seq_adjust;
  let master: Entry | undefined;
  if (fields.has('masterSrc')) {
    master = masterOf(table, fields, zone);
    if (master === undefined) return { errno: errno.ENOENT };
    status |= statusBits.expected;
  }
  const [isn = 0, its = 0, tsoff = 0] = fields.words('synproxy') ?? [];
  const labels = room.labels ? (fields.bytes('labels') ?? noLabels) : undefined;
  const parts = { family, protocol, orig, reply, zone, status, labels, seconds };
  const entry = newEntry(table, parts);
  entry.mark = fields.number('mark') ?? 0;
  entry.state = fields.number('state') ?? 0;
  entry.flags = flagsOf(fields, none);
  entry.scales = fields.pair('tcpWscaleOrig', 'tcpWscaleReply') ?? none;
  entry.tags = fields.pair('sctpVtagOrig', 'sctpVtagReply') ?? none;
  entry.helper = helper;
  entry.seqAdj = [adj[0] ?? noAdj, adj[1] ?? noAdj];
  entry.synproxy = { isn, its, tsoff };
  entry.master = master;
  if (!table.add(entry)) return { errno: errno.EEXIST };
  table.counts.insert++;
  table.tell('new', entry, news.all);
  const answer = missing(fields, protocol, seconds, room);
  // The package deletes a flow that lacks what was asked for.
  if (answer.errno !== 0) table.end(entry);
  return answer;
}
