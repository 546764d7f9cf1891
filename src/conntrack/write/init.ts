// Writing flows: what create takes, checked, and packed as fields (schema.h, NF_FIELDS).
import {
  copyAt,
  type Fields,
  fieldsAt,
  isUndefined,
  objectAt,
  onlyFields,
  type Path,
  pathText,
  protocolAt,
  shallowCopyAt,
  statusAt,
  u16At,
} from '../../checks.js';
import {
  AF_INET,
  type Family,
  type Protocol,
  protocolNumbers,
  type StatusName,
  stateNames,
  statusBits,
  statusOf,
} from '../../constants.js';
import { badRange, badType } from '../../errors.js';
import { field } from '../columns/schema.js';
import type { Endpoint, FlowMaster } from '../flow/fields.js';
import { Flow } from '../flow/flow.js';
import type { TupleSideInit } from '../lookup/tuple-packer.js';
import { defaultTimeout, offloaded } from './default-timeout.js';
import type { FieldPacker } from './field-packer.js';
import { identify, invert, packTuple, readTuple, tupleFields } from './identity.js';
import { packNat } from './nat.js';
import { type FlowWritable, labelBitmap, packWritable, u32Of, writableFields } from './writable.js';

export { type FlowChange, packChange } from './change.js';
export type { FlowWritable } from './writable.js';

/**
 * A flow to create. One tuple is enough, the other is derived: `orig` (or its fields directly), or
 * `reply`. What `toArray()` gives is a FlowInit: fields that the kernel does not let one write (counters,
 * id, use, times, secctx, status bits that it owns) are left out of the request.
 */
export interface FlowInit extends FlowWritable, Partial<TupleSideInit> {
  family?: Family;
  protocol: Protocol;
  orig?: TupleSideInit;
  /** The reply tuple; or its `zone` alone, beside the original tuple, from which the rest follows. */
  reply?: TupleSideInit | { zone: number };
  /** Zone of both directions. */
  zone?: number | undefined;
  /** CTA_MARK — connmark. */
  mark?: number;
  /**
   * Of these, `seen_reply`, `assured` and `fixed_timeout` are written. The kernel sets the others by itself: they
   * are left out of a flow that was read, and refused elsewhere, where nothing asked for (`nat`, `master`,
   * `seqAdj`) makes the kernel set them.
   */
  status?: StatusName | readonly StatusName[];
  /** Labels to set, by number; needs a rule that uses connlabel. */
  labels?: readonly number[];
  /** Translation to set up: address, port, or both. The reply tuple follows from it. */
  nat?: { src?: string | Partial<Endpoint>; dst?: string | Partial<Endpoint> };
  /** Original tuple of the flow that expected this one; it must be in the table. */
  master?: FlowMaster;
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
const initFields = new Set([
  ...['family', 'protocol', 'orig', 'reply', 'zone', 'mark', 'status', 'labels', 'nat', 'master'],
  ...[...writableFields, ...tupleFields, ...readOnly],
]);

const child = (path: string, name: string) => `${path}.${name}`;

function packMaster(packer: FieldPacker, value: unknown, family: 2 | 10, path: string): void {
  const master = objectAt(value, path);
  onlyFields(master, new Set(['protocol', 'src', 'dst', 'srcPort', 'dstPort']), path);
  const protocol = protocolAt(master.protocol, child(path, 'protocol'));
  // The slots of the translation, which is packed by now.
  const { tuple, family: own } = readTuple(packer, [4, 5], master, protocol, path);
  if (own !== family) throw new RangeError(`${path}.src: is not of the flow's family`);
  if (tuple.srcPort === undefined)
    throw badRange(child(path, 'protocol'), 'a protocol with ports', master.protocol);
  packer.u8(field.masterProtocol, protocol);
  packer.address(field.masterSrc, tuple.src, family);
  packer.address(field.masterDst, tuple.dst, family);
  packer.u16(field.masterSrcPort, tuple.srcPort);
  packer.u16(field.masterDstPort, tuple.dstPort!);
}

/**
 * What a flow without a timeout is written with. One that was read, of which the kernel sent none, gets the
 * kernel's default; so does every flow where many are made (`anyRow`).
 */
function packDefaults(
  packer: FieldPacker,
  fields: Fields,
  protocol: number,
  status: number,
  anyRow: boolean,
  path: Path,
): void {
  if (!anyRow && fields.statusBits === undefined) {
    throw badType(pathText(path, '.timeout'), 'seconds until the flow expires', undefined);
  }
  const states = stateNames(protocol);
  let state = states?.indexOf(fields.state as string) ?? -1;
  // Of an offloaded flow the kernel sends no state either, and offloads TCP only when it is established.
  if (state < 0 && protocol === protocolNumbers.tcp && offloaded(status)) {
    state = states!.indexOf('ESTABLISHED');
    packer.u8(field.state, state);
  }
  packer.u32(field.timeout, defaultTimeout(protocol, state < 0 ? undefined : state, status));
}

/**
 * Refuses status bits that the kernel sets by itself, where nothing that is asked for makes it: it would ignore
 * them. Of many flows one that was offloaded is made without that: its next packets offload it again.
 */
function refuseOwned(fields: Fields, status: number, path: Path, anyRow: boolean): void {
  let left = status & ~writableStatus;
  if (left === 0) return;
  const nat = fields.nat as { src?: unknown; dst?: unknown } | null | undefined;
  if (nat) left &= ~(statusBits.src_nat_done | statusBits.dst_nat_done);
  if (nat?.src !== undefined) left &= ~statusBits.src_nat;
  if (nat?.dst !== undefined) left &= ~statusBits.dst_nat;
  if (fields.master !== undefined) left &= ~statusBits.expected;
  if (fields.seqAdj !== undefined) left &= ~statusBits.seq_adjust;
  if (anyRow) left &= ~(statusBits.offload | statusBits.hw_offload);
  if (left === 0) return;
  const [name] = statusOf(left);
  const by = madeBy[name as string];
  throw new RangeError(
    `${pathText(path, '.status')}: ${name} is set by the kernel alone${by ? `, of a flow with ${by}` : ''}`,
  );
}

const madeBy: Record<string, string> = {
  ...{ src_nat: 'nat.src', src_nat_done: 'nat', dst_nat: 'nat.dst', dst_nat_done: 'nat' },
  ...{ expected: 'a master', seq_adjust: 'seqAdj' },
};

/** As their types say: what names a tuple may be put together of parts that are not there. */
const mayBeUndefined = new Set([...tupleFields, 'zone']);
/** What is read once anyhow by the one who packs it, or not at all. */
const lists = new Set(['status', 'labels', 'helperInfo', 'unknown']);

/** The copy of a part of a flow; of a tuple, the quickest. */
function takePart(name: string, value: object, path: Path): unknown {
  const at = () => pathText(path, `.${name}`);
  if (name === 'orig' || name === 'reply') return shallowCopyAt(value, at, 'an object');
  return copyAt(value, at);
}

/** A copy of a flow to create with all that is in it, each field read once. */
export function takeInit(init: unknown, path: string): Fields {
  if (Flow.isFlow(init)) return init.toObject() as unknown as Fields;
  const fields = fieldsAt(init, path, initFields, 'a flow', mayBeUndefined);
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (typeof value === 'object' && value !== null) fields[name] = takePart(name, value, path);
  }
  return fields;
}

/** As `takeInit`, for a flow of many. */
export function takeRow(init: unknown, path: Path): Fields {
  if (Flow.isFlow(init)) return init.toObject() as unknown as Fields;
  const fields = shallowCopyAt(init, path, 'a flow');
  for (const name in fields) {
    if (!initFields.has(name)) onlyFields(fields, initFields, pathText(path));
    const value = fields[name];
    if (typeof value === 'object') {
      if (value !== null && !lists.has(name)) fields[name] = takePart(name, value, path);
    } else if (value === undefined && !mayBeUndefined.has(name)) {
      throw isUndefined(path, name);
    }
  }
  return fields;
}

/**
 * Checks a flow to create, which was taken before, and appends its packed form. Gives the family of one that is
 * to be translated.
 */
export function packFlowInit(
  packer: FieldPacker,
  fields: Fields,
  path: Path,
  anyRow = false,
): Family | undefined {
  const protocol = protocolAt(fields.protocol, () => pathText(path, '.protocol'));
  const identity = identify(packer, fields, protocol, path);
  const { family } = identity;
  const status =
    fields.status === undefined
      ? undefined
      : statusAt(fields.status, () => pathText(path, '.status'));
  packer.begin();
  packer.u8(field.family, family);
  packer.u8(field.protocol, protocol);
  packTuple(packer, identity.orig, family, false, identity.orig.zone);
  // Only a flow that was read has the number, too.
  const read = fields.statusBits !== undefined;
  if (status !== undefined && !read) refuseOwned(fields, status, path, anyRow);
  // A translation is set up by the kernel from the plain reply tuple. A flow that was read, whose tuples differ
  // without the kernel having translated it (its status says so), is written with the tuples that it has.
  const natBits = statusBits.src_nat | statusBits.dst_nat;
  const untranslated =
    read && identity.replyGiven && status !== undefined && (status & natBits) === 0;
  const translate = fields.nat !== undefined && !untranslated;
  const reply = translate ? invert(identity.orig, protocol) : identity.reply;
  packTuple(packer, reply, family, true, identity.reply.zone);
  if (fields.nat !== undefined) {
    packNat(packer, fields.nat, identity, pathText(path), pathText(path, '.nat'), translate);
  }
  packWritable(packer, fields, protocol, path);
  if (fields.timeout === undefined) {
    packDefaults(packer, fields, protocol, status ?? 0, anyRow, path);
  } else {
    // 0 is what is read of less than a second: an entry without any time would be gone before it is there.
    packer.u32(field.timeout, u32Of(fields.timeout, path, '.timeout') || 1);
  }
  if (fields.zone !== undefined && fields.zone !== 0) {
    packer.u16(field.zone, u16At(fields.zone, pathText(path, '.zone')));
  }
  if (fields.mark !== undefined) packer.u32(field.mark, u32Of(fields.mark, path, '.mark'));
  if (status !== undefined)
    packer.u32(field.status, (status & writableStatus) | statusBits.confirmed);
  if (fields.labels !== undefined) {
    // Room for labels is only needed where there is one to set.
    const labels = labelBitmap(fields.labels, pathText(path, '.labels'));
    if (labels.some((byte) => byte !== 0)) packer.bytes(field.labels, labels);
  }
  if (fields.master !== undefined)
    packMaster(packer, fields.master, family, pathText(path, '.master'));
  packer.end();
  return translate ? (family === AF_INET ? 'ipv4' : 'ipv6') : undefined;
}
