// Writing flows: what create and update take, checked, and packed as fields (schema.h, NF_FIELDS).
import { parseAddress } from '../address.js';
import {
  type Fields,
  familyAt,
  integerAt,
  objectAt,
  onlyFields,
  type Path,
  pathText,
  protocolAt,
  statusAt,
  stringAt,
  u8At,
  u16At,
  u32At,
} from '../checks.js';
import {
  type Family,
  type Protocol,
  protocolHasPorts,
  type StatusName,
  stateNames,
  statusBits,
} from '../constants.js';
import { badRange, badType } from '../errors.js';
import { field } from './columns.js';
import type { FieldPacker } from './field-packer.js';
import { Flow } from './flow.js';
import {
  masterFields,
  origFields,
  type PackedSide,
  packInverse,
  packSide,
  replyFields,
} from './flow-tuples.js';
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
const commonFields = ['family', 'protocol', 'orig', 'reply', 'zone', 'mark', 'status', 'timeout'];
const initFields = new Set([
  ...[...commonFields, 'labels', 'nat', 'master'],
  ...[...writableFields, ...tupleFields, ...readOnly],
]);
/** Fields that most flows do not have: looked for only where the flow has one that is not among these. */
const usualFields = new Set([...commonFields, ...tupleFields, ...readOnly, 'state']);
const changeFields = new Set([...writableFields, 'mark', 'status', 'labels']);
const sideFields = new Set([...tupleFields, 'zone', 'packets', 'bytes']);

const child = (path: string, name: string) => `${path}.${name}`;

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
  packer.u8(field.masterProtocol, protocol);
  const side = packSide(packer, masterFields, master, protocol, path, '');
  if (side.family !== family) throw new RangeError(`${path}.src: is not of the flow's family`);
  if (!protocolHasPorts(protocol))
    throw badRange(child(path, 'protocol'), 'a protocol with ports', master.protocol);
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

function packState(packer: FieldPacker, value: unknown, protocol: number, path: Path): void {
  const states = stateNames(protocol);
  const number = states === undefined ? -1 : states.indexOf(value as string);
  if (number >= 0) {
    packer.u8(field.state, number);
    return;
  }
  const at = pathText(path, '.state');
  if (states === undefined) throw new TypeError(`${at}: this protocol has no states`);
  if (typeof value !== 'string') throw badType(at, 'the name of a state', value);
  throw badRange(at, `one of ${states.join(', ')}`, value);
}

/** What creation and change have in common, but for timeout and state. */
function packUnusual(packer: FieldPacker, fields: Fields, protocol: number, path: string): void {
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

/** As `onlyFields`, for every flow: without a list of its keys. */
function known(value: Fields, allowed: ReadonlySet<string>, path: Path, part = ''): Fields {
  for (const key in value) {
    if (!allowed.has(key)) onlyFields(value, allowed, pathText(path, part));
  }
  return value;
}

function hasUnusual(fields: Fields): boolean {
  for (const key in fields) if (!usualFields.has(key)) return true;
  return false;
}

function u32Of(fields: Fields, name: string, path: Path): number {
  const value = fields[name];
  return typeof value === 'number' && value >>> 0 === value
    ? value
    : u32At(value, pathText(path, `.${name}`));
}

const sideOf = (value: unknown, path: Path, part: string): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? known(value as Fields, sideFields, path, part)
    : objectAt(value, pathText(path, part));

/** Packs both tuples; the one that is not given is the other's inverse. */
function packTuples(
  packer: FieldPacker,
  fields: Fields,
  protocol: number,
  status: number | undefined,
  path: Path,
): { family: 2 | 10; translate: boolean } {
  const direct = fields.src !== undefined || fields.dst !== undefined;
  if (direct && fields.orig !== undefined) {
    const where = pathText(path);
    throw new TypeError(`${where}.src: ${where}.orig is given as well`);
  }
  let orig: PackedSide | undefined;
  if (direct) {
    // The zone of the flow is not that of its direction.
    const side = fields.zone === undefined ? fields : { ...fields, zone: undefined };
    orig = packSide(packer, origFields, side, protocol, path, '');
  } else if (fields.orig !== undefined) {
    const side = sideOf(fields.orig, path, '.orig');
    orig = packSide(packer, origFields, side, protocol, path, '.orig');
  }
  const begin = packer.size;
  let reply: PackedSide | undefined;
  if (fields.reply !== undefined) {
    const side = sideOf(fields.reply, path, '.reply');
    reply = packSide(packer, replyFields, side, protocol, path, '.reply');
  }
  const some = orig ?? reply;
  if (some === undefined) {
    throw new TypeError(`${pathText(path)}: names no tuple: give orig, reply, or src and dst`);
  }
  const { family } = some;
  if (reply !== undefined && reply.family !== family) {
    const where = pathText(path);
    throw new RangeError(`${where}.reply: is not of the family of ${where}.orig`);
  }
  if (fields.family !== undefined) {
    const name = familyAt(fields.family, pathText(path, '.family'));
    if ((name === 'ipv4' ? 2 : 10) !== family) {
      throw new RangeError(`${pathText(path)}.family: is not that of the addresses`);
    }
  }
  // A translation is set up by the kernel from the plain reply tuple. A flow whose tuples differ without
  // the kernel having translated it (its status says so) is written with the tuples that it has.
  const natBits = statusBits.src_nat | statusBits.dst_nat;
  const both = orig !== undefined && reply !== undefined;
  const differs = both && status !== undefined && (status & natBits) === 0;
  const translate = fields.nat !== undefined && !differs;
  if (orig === undefined) {
    packInverse(packer, origFields, some, protocol);
  } else if (reply === undefined || translate) {
    packer.rewind(begin);
    packInverse(packer, replyFields, orig, protocol);
    if (reply?.zone !== undefined) packer.u16(field.replyZone, reply.zone);
  }
  return { family, translate };
}

/** Checks a flow to create and appends its packed form. */
export function packFlowInit(packer: FieldPacker, init: FlowInit | Flow, path: Path): void {
  const given = init instanceof Flow ? init.toObject() : init;
  const fields =
    typeof given === 'object' && given !== null && !Array.isArray(given)
      ? known(given as unknown as Fields, initFields, path)
      : objectAt(given, pathText(path));
  const protocol = protocolAt(fields.protocol, () => pathText(path, '.protocol'));
  const status =
    fields.status === undefined
      ? undefined
      : statusAt(fields.status, () => pathText(path, '.status'));
  if (fields.timeout === undefined)
    throw badType(pathText(path, '.timeout'), 'seconds until the flow expires', undefined);
  packer.begin();
  packer.u8(field.protocol, protocol);
  const { family, translate } = packTuples(packer, fields, protocol, status, path);
  packer.u8(field.family, family);
  packer.u32(field.timeout, u32Of(fields, 'timeout', path));
  if (fields.state !== undefined) packState(packer, fields.state, protocol, path);
  if (fields.zone !== undefined) {
    const zone = fields.zone === 0 ? 0 : u16At(fields.zone, pathText(path, '.zone'));
    if (zone !== 0) packer.u16(field.zone, zone);
  }
  if (fields.mark !== undefined) packer.u32(field.mark, u32Of(fields, 'mark', path));
  if (status !== undefined)
    packer.u32(field.status, (status & writableStatus) | statusBits.confirmed);
  if (hasUnusual(fields)) {
    const text = pathText(path);
    if (translate) packNat(packer, fields.nat, family, protocol, child(text, 'nat'));
    packUnusual(packer, fields, protocol, text);
    if (fields.labels !== undefined)
      packer.bytes(field.labels, labelBitmap(fields.labels, child(text, 'labels')));
    if (fields.master !== undefined)
      packMaster(packer, fields.master, family, child(text, 'master'));
  }
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
  if (fields.timeout !== undefined) packer.u32(field.timeout, u32Of(fields, 'timeout', path));
  if (fields.state !== undefined) packState(packer, fields.state, protocol, path);
  packUnusual(packer, fields, protocol, path);
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
