// The inner state of a flow that can be written at its creation and later: its type, its checks and its packed form.
import {
  type Fields,
  integerAt,
  objectAt,
  onlyFields,
  type Path,
  pathText,
  stringAt,
  u32At,
} from '../../checks.js';
import {
  protocolName,
  type StateName,
  type StatusName,
  stateAliases,
  stateNames,
  statusBits,
  type WantedState,
} from '../../constants.js';
import { badRange, badType } from '../../errors.js';
import { field } from '../columns/schema.js';
import {
  type FlowDccp,
  type FlowSctp,
  type FlowSeqAdj,
  fieldsFor,
  type Synproxy,
} from '../flow/fields.js';
import type { FieldPacker } from './field-packer.js';
import { packTcp, pairAt, type TcpInit, type WriteUse } from './tcp.js';

/** The inner state of a flow that can be written at its creation and later. */
export interface FlowWritable {
  /**
   * CTA_TIMEOUT — seconds until the flow expires. The kernel can hold INT_MAX jiffies (2147483 seconds at 1000 Hz,
   * 8589934 at 250 Hz). A larger value rejects with EOPNOTSUPP; an update has then set the largest one.
   */
  timeout?: number;
  /**
   * State of TCP, SCTP or DCCP as conntrack(8) prints it (`'LISTEN'` means TCP's SYN_SENT2). SCTP needs `sctp` with
   * it.
   */
  state?: WantedState;
  /** CTA_HELP_NAME — helper, at most 15 bytes. A change can only remove it, by `''`. */
  helper?: string;
  /** CTA_HELP_INFO — the helper's private data, of at most 128 bytes; needs `helper`. */
  helperInfo?: Uint8Array;
  /**
   * For TCP. The kernel takes window scales only for a flow that has the flag `window_scale` on both sides. Where no
   * flags are given, that flag is set with the scales.
   */
  tcp?: TcpInit;
  /** For SCTP; needs `state` with it. */
  sctp?: FlowSctp;
  /** For DCCP. Kernels since 6.17 keep nothing of it. */
  dccp?: FlowDccp;
  /** What the kernel adds to TCP sequence numbers. */
  seqAdj?: FlowSeqAdj;
  /** State of a proxied handshake (kernel 4.16). */
  synproxy?: Synproxy;
}

export const writableFields: readonly string[] = [...fieldsFor('state'), 'helperInfo'];

/** Status bits that can be set. No bit can be cleared (IPS_UNCHANGEABLE_MASK, ctnetlink_change_status). */
export const settableStatus: readonly StatusName[] = ['seen_reply', 'assured', 'fixed_timeout'];
export const settableBits = settableStatus.reduce((bits, name) => bits | statusBits[name], 0);

const child = (path: string, name: string) => `${path}.${name}`;

export function labelBitmap(value: unknown, path: string): Uint8Array {
  if (!Array.isArray(value)) throw badType(path, 'an array of label numbers', value);
  const bitmap = new Uint8Array(16);
  value.forEach((label, i) => {
    const bit = integerAt(label, `${path}[${i}]`, 0, 127);
    bitmap[bit >> 3]! |= 1 << (bit & 7);
  });
  return bitmap;
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

function only(
  protocol: number | undefined,
  wanted: number,
  path: string,
): asserts protocol is number {
  if (protocol === undefined) throw unclear(path, protocolName(wanted));
  if (protocol !== wanted) throw new TypeError(`${path}: is not a part of this protocol`);
}

/** Refuses a part of one protocol in a change of flows that may be of several. */
const unclear = (path: string, protocol: unknown) =>
  new TypeError(
    `${path}: is of one protocol: name it in the filter (protocol: ${JSON.stringify(protocol)})`,
  );

/** A number of 32 bits. The path is for messages only. */
export function u32Of(value: unknown, path: Path, part: string): number {
  if (typeof value === 'number' && value >>> 0 === value) return value;
  return u32At(value, pathText(path, part));
}

/**
 * Packs the parts that creation and change have in common, but for the timeout. `'read'`: of a flow that was read, which
 * the kernel is not asked for. It may have a state without a name, of SCTP the state alone, and of TCP scales alone.
 */
export function packWritable(
  packer: FieldPacker,
  fields: Fields,
  protocol: number | undefined,
  path: Path,
  use: WriteUse = 'create',
): void {
  const read = use === 'read';
  if (fields.state !== undefined) packState(packer, fields.state, protocol, path, read);
  if (hasDetail(fields) || (protocol === 132 && !read)) {
    packDetail(packer, fields, protocol, pathText(path), use);
  }
}

/** Whether there is more than most flows have. */
function hasDetail({ helper, helperInfo, tcp, sctp, dccp, seqAdj, synproxy }: Fields): boolean {
  return (
    helper !== undefined ||
    helperInfo !== undefined ||
    tcp !== undefined ||
    sctp !== undefined ||
    dccp !== undefined ||
    seqAdj !== undefined ||
    synproxy !== undefined
  );
}

function packDetail(
  packer: FieldPacker,
  fields: Fields,
  protocol: number | undefined,
  path: string,
  use: WriteUse,
): void {
  if (fields.helper !== undefined) {
    // NF_CT_HELPER_NAME_LEN is 16 with the NUL.
    packer.bytes(field.helper, Buffer.from(stringAt(fields.helper, child(path, 'helper'), 15)));
  }
  if (fields.helperInfo !== undefined) packHelperInfo(packer, fields, path);
  if (fields.tcp !== undefined) {
    only(protocol, 6, child(path, 'tcp'));
    packTcp(packer, fields.tcp, child(path, 'tcp'), use);
  }
  if (fields.sctp !== undefined) packSctp(packer, fields.sctp, protocol, child(path, 'sctp'));
  if (fields.dccp !== undefined) packDccp(packer, fields.dccp, protocol, child(path, 'dccp'));
  // The kernel's nlattr_to_sctp takes all three or nothing.
  const halfSctp = protocol === 132 && (fields.state === undefined) !== (fields.sctp === undefined);
  if (halfSctp && use !== 'read') {
    const [has, lacks] = fields.state === undefined ? ['sctp', 'state'] : ['state', 'sctp'];
    throw new TypeError(`${path}.${has}: needs ${path}.${lacks} with it`);
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

/** The number of a state without a name (`STATE_12`). For any other text it is -1. */
function unnamedState(state: unknown, names: number): number {
  const digits = typeof state === 'string' ? /^STATE_(\d{1,3})$/.exec(state)?.[1] : undefined;
  const number = Number(digits ?? -1);
  return number >= names && number <= 0xff ? number : -1;
}

function packState(
  packer: FieldPacker,
  state: unknown,
  protocol: number | undefined,
  path: Path,
  read: boolean,
): void {
  if (protocol === undefined) throw unclear(pathText(path, '.state'), 'tcp');
  const states = stateNames(protocol);
  let number =
    states === undefined ? -1 : states.indexOf(stateAliases.get(state) ?? (state as StateName));
  if (read && number < 0 && states !== undefined) number = unnamedState(state, states.length);
  if (number >= 0) {
    packer.u8(field.state, number);
    return;
  }
  const at = pathText(path, '.state');
  if (states === undefined) throw new TypeError(`${at}: this protocol has no states`);
  if (typeof state !== 'string') throw badType(at, 'the name of a state', state);
  throw badRange(at, `one of ${states.join(', ')}`, state);
}

function packHelperInfo(packer: FieldPacker, fields: Fields, path: string): void {
  const info = fields.helperInfo;
  const at = child(path, 'helperInfo');
  if (!(info instanceof Uint8Array)) throw badType(at, 'a Uint8Array', info);
  if (info.length === 0 || info.length > 128) throw badRange(at, '1 to 128 bytes', info.length);
  if (!fields.helper) throw new TypeError(`${at}: needs ${path}.helper with it`);
  packer.bytes(field.helperInfo, info);
}

function packSctp(
  packer: FieldPacker,
  value: unknown,
  protocol: number | undefined,
  path: string,
): void {
  only(protocol, 132, path);
  const sctp = objectAt(value, path);
  onlyFields(sctp, new Set(['vtag']), path);
  const [orig, reply] = pairAt(sctp.vtag, `${path}.vtag`, u32At);
  packer.u32(field.sctpVtagOrig, orig);
  packer.u32(field.sctpVtagReply, reply);
}

function packDccp(
  packer: FieldPacker,
  value: unknown,
  protocol: number | undefined,
  path: string,
): void {
  only(protocol, 33, path);
  const dccp = objectAt(value, path);
  onlyFields(dccp, new Set(['role', 'handshakeSeq']), path);
  packer.u8(field.dccpRole, integerAt(dccp.role, `${path}.role`, 0, 1));
  const sequence = dccp.handshakeSeq;
  if (sequence === undefined) return;
  const at = `${path}.handshakeSeq`;
  if (typeof sequence !== 'bigint') throw badType(at, 'a bigint', sequence);
  if (sequence < 0n || sequence >= 1n << 64n)
    throw badRange(at, 'an unsigned 64-bit value', sequence);
  packer.u64(field.dccpHandshake, sequence);
}
