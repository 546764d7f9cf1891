// The row that the kernel would have sent for a plain flow (input/sample.ts).
import {
  copyAt,
  type Fields,
  integerAt,
  listAt,
  objectAt,
  onlyFields,
  type Path,
  pathText,
  protocolAt,
  statusAt,
  stringAt,
  u16At,
  u64At,
} from '../../checks.js';
import { AF_INET, protocolNumbers, statusBits } from '../../constants.js';
import { badRange, badType } from '../../errors.js';
import { has } from '../columns/schema.js';
import type { FlowDraft, UnknownAttribute } from '../flow/fields.js';
import { Flow } from '../flow/flow.js';
import { isRare, rareNames, writeRare } from '../flow/rare.js';
import { type RareSource, writeTupleZone } from '../flow/rare-bytes.js';
import { defaultTimeout, offloaded } from '../input/default-timeout.js';
import { type Identity, identify, packTuple } from '../input/identity.js';
import { takeRow } from '../input/init.js';
import { packNat } from '../input/nat.js';
import { packMaster } from '../input/pack-init.js';
import { labelBitmap, packWritable, u32Of } from '../input/writable.js';
import type { MadeRows } from './made-rows.js';

const { tcp, sctp, dccp } = protocolNumbers;
const namedBits = Object.values(statusBits).reduce((all, bit) => all | bit, 0);

const at = (path: Path, part: string) => () => pathText(path, part);

/** Puts counters into the row. A direction that has no tuple beside them is left to be derived. */
function takeCounters(rows: MadeRows, fields: Fields, name: 'orig' | 'reply', path: Path): void {
  const side = fields[name] as Fields | null | undefined;
  if (typeof side !== 'object' || side === null) return;
  const { packets, bytes, ...rest } = side;
  if (packets === undefined && bytes === undefined) return;
  rows.put(`${name}Packets`, u64At(packets, at(path, `.${name}.packets`)));
  rows.put(`${name}Bytes`, u64At(bytes, at(path, `.${name}.bytes`)));
  fields[name] = Object.values(rest).some((value) => value !== undefined) ? rest : undefined;
}

function unknownAt(value: unknown, path: Path): UnknownAttribute[] {
  return listAt(value, path).map((given, i) => {
    const where = pathText(path, `[${i}]`);
    const attribute = objectAt(copyAt(given, where), where);
    onlyFields(attribute, new Set(['type', 'data']), where);
    const type = integerAt(attribute.type, `${where}.type`, 0, 0x3fff);
    if (isRare(type)) throw badRange(`${where}.type`, 'an attribute without a name', type);
    let { data } = attribute;
    if (typeof data === 'string' && /^(?:[\da-f]{2})*$/i.test(data))
      data = Buffer.from(data, 'hex');
    if (!(data instanceof Uint8Array)) {
      throw badType(`${where}.data`, 'a Uint8Array or hexadecimal text', data);
    }
    integerAt(data.length, `${where}.data.length`, 0, 0xfff0);
    return { type, data };
  });
}

/** The bits of `nat` of a new flow, which the kernel sets when it has changed the tuple. */
function natStatus(rows: MadeRows): number {
  const icmp = rows.has(has.origIcmp);
  const id = icmp ? 'replySrcPort' : 'replyDstPort';
  let bits = statusBits.src_nat_done | statusBits.dst_nat_done;
  if (rows.differ('replyDst', 'origSrc') || rows.differ(id, 'origSrcPort')) {
    bits |= statusBits.src_nat;
  }
  if (rows.differ('replySrc', 'origDst') || (!icmp && rows.differ('replySrcPort', 'origDstPort'))) {
    bits |= statusBits.dst_nat;
  }
  return bits;
}

function statusFor(rows: MadeRows, fields: Fields, path: Path): number {
  const given = fields.status === undefined ? 0 : statusAt(fields.status, at(path, '.status'));
  if (fields.statusBits !== undefined) {
    const bits = u32Of(fields.statusBits, path, '.statusBits');
    return fields.status === undefined ? bits : given | (bits & ~namedBits);
  }
  let status = given | statusBits.confirmed;
  if (fields.nat !== undefined) status |= natStatus(rows);
  if (fields.helper) status |= statusBits.helper;
  if (fields.master !== undefined) status |= statusBits.expected;
  if (fields.seqAdj !== undefined) status |= statusBits.seq_adjust;
  return status;
}

/** Completes a new flow as the kernel does. It sends no timeout and no detail of an offloaded flow. */
function complete(
  rows: MadeRows,
  fields: Fields,
  protocol: number,
  status: number,
  event: string | undefined,
): void {
  const living = event !== 'destroy';
  if (event === undefined && fields.use === undefined) rows.put('use', 1);
  if (fields.seqAdj !== undefined) {
    const none = { correctionPos: 0, offsetBefore: 0, offsetAfter: 0 };
    fields.seqAdj = { orig: none, reply: none, ...(fields.seqAdj as object) };
  }
  if (Array.isArray(fields.labels) && fields.labels.length === 0) fields.labels = undefined;
  if (offloaded(status)) return;
  if (living && fields.timeout === undefined) {
    const state = rows.has(has.state) ? rows.get('state') : undefined;
    rows.put('timeout', defaultTimeout(protocol, state, status));
  }
  if (protocol === tcp || protocol === sctp) rows.note(has.state);
  if (living && protocol === tcp) rows.note(has.tcpWscale | has.tcpFlags);
  if (living && protocol === sctp) fields.sctp ??= { vtag: { orig: 0, reply: 0 } };
}

function addRare(rows: MadeRows, fields: Fields, identity: Identity, path: Path): void {
  const { orig, reply } = identity;
  const { run } = rows;
  if (orig.zone !== undefined) writeTupleZone(run, false, orig.zone);
  if (reply.zone !== undefined) writeTupleZone(run, true, reply.zone);
  fields.family = identity.family === AF_INET ? 'ipv4' : 'ipv6';
  const flow = fields as unknown as RareSource & FlowDraft;
  if (flow.labels !== undefined) {
    flow.labels = listAt(flow.labels, at(path, '.labels'), 'an array of label numbers') as number[];
    labelBitmap(flow.labels, pathText(path, '.labels'));
  }
  if (flow.unknown !== undefined) flow.unknown = unknownAt(flow.unknown, at(path, '.unknown'));
  if (flow.secctx !== undefined) stringAt(flow.secctx, pathText(path, '.secctx'), 4096);
  writeRare(run, flow);
}

/** Numbers that have a column of their own, and that are as the caller says. */
function addNumbers(rows: MadeRows, fields: Fields, path: Path, event: string | undefined): void {
  for (const name of ['timeout', 'id', 'use'] as const) {
    if (fields[name] !== undefined) rows.put(name, u32Of(fields[name], path, `.${name}`));
  }
  if (fields.id === undefined) rows.put('id', rows.count);
  for (const name of ['start', 'stop'] as const) {
    if (fields[name] !== undefined) rows.put(name, u64At(fields[name], at(path, `.${name}`)));
  }
  const mark = u32Of(fields.mark ?? 0, path, '.mark');
  // An event does not have a mark of 0.
  if (mark !== 0 || event === undefined) rows.put('mark', mark);
  const zone = fields.zone === undefined ? 0 : u16At(fields.zone, pathText(path, '.zone'));
  if (zone !== 0) rows.put('zone', zone);
}

function addPlain(rows: MadeRows, fields: Fields, path: Path, event: string | undefined): void {
  const read = fields.statusBits !== undefined;
  const protocol = protocolAt(fields.protocol, at(path, '.protocol'));
  rows.next(fields.family);
  takeCounters(rows, fields, 'orig', path);
  takeCounters(rows, fields, 'reply', path);
  const identity = identify(rows, fields, protocol, path, true);
  const { family, orig, reply } = identity;
  rows.put('family', family);
  rows.put('protocol', protocol);
  packTuple(rows, orig, family, false, undefined);
  packTuple(rows, reply, family, true, undefined);
  if (fields.nat !== undefined) {
    const how = identity.replyGiven ? false : 'row';
    packNat(rows, fields.nat, identity, pathText(path), pathText(path, '.nat'), how);
  }
  const detail = fields.dccp as Fields | null | undefined;
  if (typeof detail?.handshakeSeq === 'number' || typeof detail?.handshakeSeq === 'string') {
    detail.handshakeSeq = u64At(detail.handshakeSeq, at(path, '.dccp.handshakeSeq'));
  }
  packWritable(rows, fields, protocol, path, read ? 'read' : 'create');
  if (fields.master !== undefined) {
    packMaster(rows, fields.master, family, pathText(path, '.master'));
  }
  addNumbers(rows, fields, path, event);
  const status = statusFor(rows, fields, path);
  rows.put('status', status);
  if (!read) complete(rows, fields, protocol, status, event);
  // The kernel sends a state in the nest of the rest.
  if (rows.has(has.state))
    rows.note(protocol === sctp ? has.sctp : protocol === dccp ? has.dccp : 0);
  const zoned = orig.zone !== undefined || reply.zone !== undefined;
  if (zoned || rareNames.some((name) => fields[name] !== undefined)) {
    addRare(rows, fields, identity, path);
  }
}

/**
 * Begins a row, and fills it with a flow: a copy of one that was read, or what the kernel would have sent. `event`: its
 * type. The caller ends the row.
 */
export function addFlow(rows: MadeRows, flow: unknown, path: Path, event?: string): void {
  if (Flow.isFlow(flow)) {
    rows.next();
    rows.copy(flow.source);
  } else {
    addPlain(rows, takeRow(flow, path), path, event);
  }
}
