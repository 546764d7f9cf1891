// Writing flows: what create takes, checked, and packed as fields (schema.h, NF_FIELDS).
import {
  type Fields,
  objectAt,
  onlyFields,
  optionsAt,
  type Path,
  pathText,
  protocolAt,
  statusAt,
  u16At,
} from '../checks.js';
import {
  AF_INET,
  type Family,
  type Protocol,
  protocolNumbers,
  type StatusName,
  stateNames,
  statusBits,
} from '../constants.js';
import { badRange, badType } from '../errors.js';
import { field } from './columns.js';
import { defaultTimeout, offloaded } from './default-timeout.js';
import type { FieldPacker } from './field-packer.js';
import { Flow } from './flow.js';
import {
  identify,
  invert,
  knownFields,
  packTuple,
  readTuple,
  tupleFields,
} from './flow-identity.js';
import { packNat } from './flow-nat.js';
import type { Endpoint, FlowMaster } from './flow-types.js';
import {
  type FlowWritable,
  labelBitmap,
  packWritable,
  u32Of,
  writableFields,
} from './flow-writable.js';
import type { TupleSideInit } from './tuple.js';

export { type FlowChange, packChange } from './flow-change.js';
export type { FlowWritable } from './flow-writable.js';

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
  /** Of these, `seen_reply`, `assured` and `fixed_timeout` are written; the kernel owns the others. */
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

/** A copy of a flow to create, each field read once. */
export function takeInit(init: unknown, path: string): FlowInit {
  if (init instanceof Flow) return init.toObject() as FlowInit;
  return optionsAt(init, path, initFields) as unknown as FlowInit;
}

/** Checks a flow to create and appends its packed form. Gives the family of one that is to be translated. */
export function packFlowInit(
  packer: FieldPacker,
  init: FlowInit | Flow,
  path: Path,
  anyRow = false,
): Family | undefined {
  const given = init instanceof Flow ? init.toObject() : init;
  const plain = typeof given === 'object' && given !== null && !Array.isArray(given);
  const fields = plain ? (given as unknown as Fields) : objectAt(given, pathText(path));
  knownFields(fields, initFields, path);
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
  // A translation is set up by the kernel from the plain reply tuple. A flow whose tuples differ without
  // the kernel having translated it (its status says so) is written with the tuples that it has.
  const natBits = statusBits.src_nat | statusBits.dst_nat;
  const untranslated = identity.replyGiven && status !== undefined && (status & natBits) === 0;
  const translate = fields.nat !== undefined && !untranslated;
  const reply = translate ? invert(identity.orig, protocol) : identity.reply;
  packTuple(packer, reply, family, true, identity.reply.zone);
  if (translate) {
    packNat(packer, fields.nat, identity, pathText(path), pathText(path, '.nat'));
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
