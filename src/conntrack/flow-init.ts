// Writing flows: what create and update take, checked, and packed as fields (schema.h, NF_FIELDS).
import { parseAddress } from '../address.js';
import {
  type Fields,
  familyAt,
  integerAt,
  objectAt,
  onlyFields,
  protocolAt,
  statusAt,
  stringAt,
  u8At,
  u16At,
  u32At,
} from '../checks.js';
import {
  AF_INET6,
  type Family,
  type Protocol,
  protocolHasPorts,
  protocolIsIcmp,
  type StatusName,
  stateNames,
  statusBits,
} from '../constants.js';
import { badRange, badType } from '../errors.js';
import { field } from './columns.js';
import type { FieldPacker } from './field-packer.js';
import { Flow } from './flow.js';
import type {
  Endpoint,
  FlowDccp,
  FlowMaster,
  FlowSctp,
  FlowTcp,
  SeqAdj,
  Synproxy,
} from './flow-types.js';
import type { TupleSideInit } from './tuple.js';

/** What of a flow's inner state can be written both at creation and later. */
export interface FlowWritable {
  /** CTA_TIMEOUT — seconds until the flow expires (1 to 4294967295; the kernel caps it at INT_MAX jiffies). */
  timeout?: number;
  /** State of TCP, SCTP or DCCP as conntrack(8) prints it. */
  state?: string;
  /** CTA_HELP_NAME — helper; only at creation, or `''` in a change to remove it. */
  helper?: string;
  /** CTA_HELP_INFO — the helper's private data. */
  helperInfo?: Uint8Array;
  tcp?: FlowTcp;
  sctp?: FlowSctp;
  dccp?: FlowDccp;
  seqAdj?: { orig?: SeqAdj; reply?: SeqAdj };
  synproxy?: Synproxy;
}

/**
 * A flow to create. One tuple is enough, the other is derived: `orig` (or its fields directly), or
 * `reply`. What `toArray()` gives is a FlowInit: fields that the kernel does not let one write (counters,
 * id, use, times, secctx, status bits that it owns) are left out of the request.
 */
export interface FlowInit extends FlowWritable, Partial<TupleSideInit> {
  family?: Family;
  protocol: Protocol;
  orig?: TupleSideInit;
  reply?: TupleSideInit;
  /** Zone of both directions. */
  zone?: number | undefined;
  /** CTA_MARK — connmark. */
  mark?: number;
  /** Of these, `seen_reply`, `assured` and `fixed_timeout` are written; the kernel owns the others. */
  status?: readonly StatusName[];
  /** Labels to set, by number; needs a rule that uses connlabel. */
  labels?: readonly number[];
  /** Translation to set up: address, port, or both. The reply tuple follows from it. */
  nat?: { src?: string | Partial<Endpoint>; dst?: string | Partial<Endpoint> };
  /** Original tuple of the flow that expected this one; it must be in the table. */
  master?: FlowMaster;
}

/** What can be changed of a living flow. */
export interface FlowChange extends FlowWritable {
  /** The whole mark, or the bits under a mask. */
  mark?: number | { value: number; mask: number };
  /** Bits to set: `seen_reply`, `assured`, `fixed_timeout`. None can be cleared. */
  status?: StatusName | readonly StatusName[];
  /** All labels anew, or some to set and some to clear. */
  labels?: readonly number[] | { set?: readonly number[]; clear?: readonly number[] };
}

// IPS_UNCHANGEABLE_MASK (nf_conntrack_common.h) and what ctnetlink_change_status adds leave these.
const writableStatus =
  statusBits.seen_reply | statusBits.assured | statusBits.fixed_timeout | statusBits.confirmed;
const readOnly = [
  'id',
  'protocolNumber',
  'statusBits',
  'use',
  'secctx',
  'start',
  'stop',
  'unknown',
];
const writableFields = [
  'timeout',
  'state',
  'helper',
  'helperInfo',
  'tcp',
  'sctp',
  'dccp',
  'seqAdj',
  'synproxy',
];
const tupleFields = ['src', 'dst', 'srcPort', 'dstPort', 'icmpType', 'icmpCode', 'icmpId'];
const initFields = new Set([
  ...['family', 'protocol', 'orig', 'reply', 'zone', 'mark', 'status', 'labels', 'nat', 'master'],
  ...[...writableFields, ...tupleFields, ...readOnly],
]);
const changeFields = new Set([...writableFields, 'mark', 'status', 'labels']);
const sideFields = new Set([...tupleFields, 'zone', 'packets', 'bytes']);

interface Tuple {
  src: Uint8Array;
  dst: Uint8Array;
  srcPort?: number;
  dstPort?: number;
  icmp?: { type: number; code: number; id: number };
  zone?: number;
}

const child = (path: string, name: string) => `${path}.${name}`;

function readTuple(side: Fields, path: string, protocol: number): { tuple: Tuple; family: 2 | 10 } {
  const src = parseAddress(side.src, child(path, 'src'));
  const dst = parseAddress(side.dst, child(path, 'dst'));
  if (src.family !== dst.family)
    throw new RangeError(`${path}.dst: is not of the family of ${path}.src`);
  const tuple: Tuple = { src: src.bytes, dst: dst.bytes };
  if (protocolHasPorts(protocol)) {
    tuple.srcPort = u16At(side.srcPort, child(path, 'srcPort'));
    tuple.dstPort = u16At(side.dstPort, child(path, 'dstPort'));
  } else if (side.srcPort !== undefined || side.dstPort !== undefined) {
    throw new TypeError(
      `${path}.${side.srcPort !== undefined ? 'srcPort' : 'dstPort'}: this protocol has no ports`,
    );
  }
  if (protocolIsIcmp(protocol)) {
    if ((protocol === 58) !== (src.family === AF_INET6)) {
      throw new RangeError(`${path}.src: icmp is IPv4, icmpv6 is IPv6`);
    }
    tuple.icmp = {
      type: u8At(side.icmpType, child(path, 'icmpType')),
      code: u8At(side.icmpCode, child(path, 'icmpCode')),
      id: u16At(side.icmpId, child(path, 'icmpId')),
    };
    if (inverseIcmp(protocol, tuple.icmp.type) === undefined) {
      throw badRange(
        child(path, 'icmpType'),
        'a type that conntrack pairs with a reply',
        tuple.icmp.type,
      );
    }
  }
  if (side.zone !== undefined) tuple.zone = u16At(side.zone, child(path, 'zone'));
  return { tuple, family: src.family };
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
function invert(tuple: Tuple, protocol: number): Tuple {
  const inverse: Tuple = { src: tuple.dst, dst: tuple.src };
  if (tuple.srcPort !== undefined) {
    inverse.srcPort = tuple.dstPort!;
    inverse.dstPort = tuple.srcPort;
  }
  if (tuple.icmp) inverse.icmp = { ...tuple.icmp, type: inverseIcmp(protocol, tuple.icmp.type)! };
  return inverse;
}

interface Identity {
  family: 2 | 10;
  protocol: number;
  orig: Tuple;
  reply: Tuple;
  replyGiven: boolean;
}

function identify(fields: Fields, path: string): Identity {
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
    replyGiven: orig !== undefined && reply !== undefined,
  };
}

function packTuple(packer: FieldPacker, tuple: Tuple, reply: boolean): void {
  packer.bytes(reply ? field.replySrc : field.origSrc, tuple.src);
  packer.bytes(reply ? field.replyDst : field.origDst, tuple.dst);
  if (tuple.srcPort !== undefined) {
    packer.u16(reply ? field.replySrcPort : field.origSrcPort, tuple.srcPort);
    packer.u16(reply ? field.replyDstPort : field.origDstPort, tuple.dstPort!);
  }
  // The library derives the reply's ICMP fields from these.
  if (tuple.icmp && !reply) {
    packer.u8(field.icmpType, tuple.icmp.type);
    packer.u8(field.icmpCode, tuple.icmp.code);
    packer.u16(field.icmpId, tuple.icmp.id);
  }
  if (tuple.zone !== undefined) packer.u16(reply ? field.replyZone : field.origZone, tuple.zone);
}

function labelBitmap(value: unknown, path: string): Uint8Array {
  if (!Array.isArray(value)) throw badType(path, 'an array of label numbers', value);
  const bitmap = new Uint8Array(16);
  value.forEach((label, i) => {
    const bit = integerAt(label, `${path}[${i}]`, 0, 127);
    bitmap[bit >> 3]! |= 1 << (bit & 7);
  });
  return bitmap;
}

function packNat(
  packer: FieldPacker,
  nat: unknown,
  family: 2 | 10,
  protocol: number,
  path: string,
): void {
  const fields = objectAt(nat, path);
  onlyFields(fields, new Set(['src', 'dst']), path);
  for (const [name, address, port] of [
    ['src', field.natSrc, field.natSrcPort],
    ['dst', field.natDst, field.natDstPort],
  ] as const) {
    const value = fields[name];
    if (value === undefined) continue;
    const at = child(path, name);
    const endpoint = typeof value === 'string' ? { address: value } : objectAt(value, at);
    onlyFields(endpoint, new Set(['address', 'port']), at);
    if (endpoint.address === undefined && endpoint.port === undefined) {
      throw new TypeError(`${at}: gives neither address nor port`);
    }
    if (endpoint.address !== undefined) {
      const parsed = parseAddress(endpoint.address, child(at, 'address'));
      if (parsed.family !== family)
        throw new RangeError(`${at}.address: is not of the flow's family`);
      packer.bytes(address, parsed.bytes);
    }
    if (endpoint.port !== undefined) {
      if (!protocolHasPorts(protocol))
        throw new TypeError(`${at}.port: this protocol has no ports`);
      packer.u16(port, u16At(endpoint.port, child(at, 'port')));
    }
  }
}

function packMaster(packer: FieldPacker, value: unknown, family: 2 | 10, path: string): void {
  const master = objectAt(value, path);
  onlyFields(master, new Set(['protocol', 'src', 'dst', 'srcPort', 'dstPort']), path);
  const protocol = protocolAt(master.protocol, child(path, 'protocol'));
  const { tuple, family: own } = readTuple(master, path, protocol);
  if (own !== family) throw new RangeError(`${path}.src: is not of the flow's family`);
  if (tuple.srcPort === undefined)
    throw badRange(child(path, 'protocol'), 'a protocol with ports', master.protocol);
  packer.u8(field.masterProtocol, protocol);
  packer.bytes(field.masterSrc, tuple.src);
  packer.bytes(field.masterDst, tuple.dst);
  packer.u16(field.masterSrcPort, tuple.srcPort);
  packer.u16(field.masterDstPort, tuple.dstPort!);
}

function packSeqAdj(packer: FieldPacker, code: number, value: unknown, path: string): void {
  const adj = objectAt(value, path);
  onlyFields(adj, new Set(['correctionPos', 'offsetBefore', 'offsetAfter']), path);
  const offset = (name: string) =>
    integerAt(adj[name], child(path, name), -0x80000000, 0xffffffff) >>> 0;
  packer.u32s(code, [
    u32At(adj.correctionPos, child(path, 'correctionPos')),
    offset('offsetBefore'),
    offset('offsetAfter'),
  ]);
}

/** A pair of numbers by direction. */
function pairAt(
  value: unknown,
  path: string,
  read: (value: unknown, path: string) => number,
): [number, number] {
  const pair = objectAt(value, path);
  onlyFields(pair, new Set(['orig', 'reply']), path);
  return [read(pair.orig, child(path, 'orig')), read(pair.reply, child(path, 'reply'))];
}

function packTcp(packer: FieldPacker, value: unknown, path: string): void {
  const tcp = objectAt(value, path);
  onlyFields(tcp, new Set(['wscale', 'flags']), path);
  if (tcp.flags !== undefined) {
    const [orig, reply] = pairAt(tcp.flags, child(path, 'flags'), u8At);
    packer.u8(field.tcpFlagsOrig, orig);
    packer.u8(field.tcpMaskOrig, 0xff);
    packer.u8(field.tcpFlagsReply, reply);
    packer.u8(field.tcpMaskReply, 0xff);
  }
  if (tcp.wscale !== undefined) {
    const scale = (number: unknown, at: string) => integerAt(number, at, 0, 14);
    const [orig, reply] = pairAt(tcp.wscale, child(path, 'wscale'), scale);
    packer.u8(field.tcpWscaleOrig, orig);
    packer.u8(field.tcpWscaleReply, reply);
  }
}

function only(protocol: number, wanted: number, path: string): void {
  if (protocol !== wanted) throw new TypeError(`${path}: is not a part of this protocol`);
}

/** The parts that creation and change have in common. */
function packWritable(packer: FieldPacker, fields: Fields, protocol: number, path: string): void {
  if (fields.timeout !== undefined) {
    packer.u32(field.timeout, u32At(fields.timeout, child(path, 'timeout')));
  }
  if (fields.state !== undefined) {
    const states = stateNames(protocol);
    const at = child(path, 'state');
    if (states === undefined) throw new TypeError(`${at}: this protocol has no states`);
    if (typeof fields.state !== 'string') throw badType(at, 'the name of a state', fields.state);
    const number = states.indexOf(fields.state);
    if (number < 0) throw badRange(at, `one of ${states.join(', ')}`, fields.state);
    packer.u8(field.state, number);
  }
  if (fields.helper !== undefined) {
    // NF_CT_HELPER_NAME_LEN is 16 with the NUL.
    packer.bytes(field.helper, Buffer.from(stringAt(fields.helper, child(path, 'helper'), 15)));
  }
  if (fields.helperInfo !== undefined) {
    const at = child(path, 'helperInfo');
    if (!(fields.helperInfo instanceof Uint8Array))
      throw badType(at, 'a Uint8Array', fields.helperInfo);
    if (fields.helperInfo.length > 128)
      throw badRange(at, 'at most 128 bytes', fields.helperInfo.length);
    packer.bytes(field.helperInfo, fields.helperInfo);
  }
  if (fields.tcp !== undefined) {
    only(protocol, 6, child(path, 'tcp'));
    packTcp(packer, fields.tcp, child(path, 'tcp'));
  }
  if (fields.sctp !== undefined) {
    const at = child(path, 'sctp');
    only(protocol, 132, at);
    const [orig, reply] = pairAt(objectAt(fields.sctp, at).vtag, `${at}.vtag`, u32At);
    packer.u32(field.sctpVtagOrig, orig);
    packer.u32(field.sctpVtagReply, reply);
  }
  if (fields.dccp !== undefined) {
    const at = child(path, 'dccp');
    only(protocol, 33, at);
    const dccp = objectAt(fields.dccp, at);
    packer.u8(field.dccpRole, integerAt(dccp.role, `${at}.role`, 0, 1));
    if (dccp.handshakeSeq !== undefined) {
      if (typeof dccp.handshakeSeq !== 'bigint')
        throw badType(`${at}.handshakeSeq`, 'a bigint', dccp.handshakeSeq);
      packer.u64(field.dccpHandshake, dccp.handshakeSeq);
    }
  }
  if (fields.seqAdj !== undefined) {
    const at = child(path, 'seqAdj');
    const both = objectAt(fields.seqAdj, at);
    onlyFields(both, new Set(['orig', 'reply']), at);
    if (both.orig !== undefined) packSeqAdj(packer, field.seqAdjOrig, both.orig, `${at}.orig`);
    if (both.reply !== undefined) packSeqAdj(packer, field.seqAdjReply, both.reply, `${at}.reply`);
  }
  if (fields.synproxy !== undefined) {
    const at = child(path, 'synproxy');
    const proxy = objectAt(fields.synproxy, at);
    onlyFields(proxy, new Set(['isn', 'its', 'tsoff']), at);
    packer.u32s(field.synproxy, [
      u32At(proxy.isn, `${at}.isn`),
      u32At(proxy.its, `${at}.its`),
      u32At(proxy.tsoff, `${at}.tsoff`),
    ]);
  }
}

/** Checks a flow to create and appends its packed form. */
export function packFlowInit(packer: FieldPacker, init: FlowInit | Flow, path: string): void {
  const fields = (init instanceof Flow ? init.toObject() : objectAt(init, path)) as Fields;
  onlyFields(fields, initFields, path);
  const identity = identify(fields, path);
  const { family, protocol } = identity;
  const status =
    fields.status === undefined ? undefined : statusAt(fields.status, child(path, 'status'));
  if (fields.timeout === undefined)
    throw badType(child(path, 'timeout'), 'seconds until the flow expires', undefined);
  packer.begin();
  packer.u8(field.family, family);
  packer.u8(field.protocol, protocol);
  packTuple(packer, identity.orig, false);
  // A translation is set up by the kernel from the plain reply tuple. A flow whose tuples differ without
  // the kernel having translated it (its status says so) is written with the tuples that it has.
  const natBits = statusBits.src_nat | statusBits.dst_nat;
  const differs = identity.replyGiven && status !== undefined && (status & natBits) === 0;
  const translate = fields.nat !== undefined && !differs;
  const reply = translate ? invert(identity.orig, protocol) : identity.reply;
  packTuple(
    packer,
    { ...reply, ...(identity.reply.zone !== undefined && { zone: identity.reply.zone }) },
    true,
  );
  if (translate) packNat(packer, fields.nat, family, protocol, child(path, 'nat'));
  packWritable(packer, fields, protocol, path);
  if (fields.zone !== undefined) {
    const zone = u16At(fields.zone, child(path, 'zone'));
    if (zone !== 0) packer.u16(field.zone, zone);
  }
  if (fields.mark !== undefined) packer.u32(field.mark, u32At(fields.mark, child(path, 'mark')));
  if (status !== undefined)
    packer.u32(field.status, (status & writableStatus) | statusBits.confirmed);
  if (fields.labels !== undefined)
    packer.bytes(field.labels, labelBitmap(fields.labels, child(path, 'labels')));
  if (fields.master !== undefined) packMaster(packer, fields.master, family, child(path, 'master'));
  packer.end();
}

/** Checks a change and appends its fields; `protocol` is that of the flows that it is for. */
export function packChange(
  packer: FieldPacker,
  change: FlowChange,
  protocol: number,
  path = 'change',
): void {
  const fields = objectAt(change, path);
  onlyFields(fields, changeFields, path);
  if (Object.values(fields).every((value) => value === undefined)) {
    throw new TypeError(`${path}: changes nothing`);
  }
  packWritable(packer, fields, protocol, path);
  if (fields.mark !== undefined) {
    if (typeof fields.mark === 'object') {
      const mark = objectAt(fields.mark, child(path, 'mark'));
      onlyFields(mark, new Set(['value', 'mask']), child(path, 'mark'));
      const mask = u32At(mark.mask, `${path}.mark.mask`);
      // (old & ~mask) ^ value in the kernel: bits outside the mask would toggle.
      packer.u32(field.mark, (u32At(mark.value, `${path}.mark.value`) & mask) >>> 0);
      packer.u32(field.markMask, mask);
    } else {
      packer.u32(field.mark, u32At(fields.mark, child(path, 'mark')));
    }
  }
  if (fields.status !== undefined)
    packer.u32(field.status, changeStatus(fields.status, child(path, 'status')));
  if (fields.labels !== undefined) packLabelChange(packer, fields.labels, child(path, 'labels'));
}

function changeStatus(value: unknown, path: string): number {
  const bits = statusAt(value, path);
  if ((bits & ~(writableStatus & ~statusBits.confirmed)) !== 0) {
    throw badRange(path, 'of seen_reply, assured and fixed_timeout', value);
  }
  return bits;
}

function packLabelChange(packer: FieldPacker, value: unknown, path: string): void {
  if (Array.isArray(value)) {
    packer.bytes(field.labels, labelBitmap(value, path));
    packer.bytes(field.labelsMask, new Uint8Array(16).fill(0xff));
    return;
  }
  const fields = objectAt(value, path);
  onlyFields(fields, new Set(['set', 'clear']), path);
  const set = labelBitmap(fields.set ?? [], `${path}.set`);
  const clear = labelBitmap(fields.clear ?? [], `${path}.clear`);
  const mask = set.map((byte, i) => byte | clear[i]!);
  if (mask.every((byte) => byte === 0)) throw new TypeError(`${path}: changes nothing`);
  if (set.some((byte, i) => (byte & clear[i]!) !== 0)) {
    throw new RangeError(`${path}: a label is both set and cleared`);
  }
  packer.bytes(field.labels, set);
  packer.bytes(field.labelsMask, mask);
}

/** The status bits that a change adds, if it does. */
export function changedStatus(change: FlowChange): number | undefined {
  return change.status === undefined ? undefined : changeStatus(change.status, 'change.status');
}
