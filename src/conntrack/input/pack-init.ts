// The checks of a flow to create, and its form as packed fields (schema/fields.h).
import {
  type Fields,
  objectAt,
  onlyFields,
  type Path,
  pathText,
  protocolAt,
  statusAt,
  u16At,
} from '../../checks.js';
import {
  AF_INET,
  type Family,
  protocolNumbers,
  type StateName,
  stateNames,
  statusBits,
  statusOf,
} from '../../constants.js';
import { badRange, badType } from '../../errors.js';
import { field } from '../columns/schema.js';
import { defaultTimeout, offloaded } from './default-timeout.js';
import type { FieldPacker } from './field-packer.js';
import { identify, invert, packTuple, readTuple } from './identity.js';
import { packNat } from './nat.js';
import { labelBitmap, packWritable, settableBits, u32Of } from './writable.js';

/** What the kernel takes of the status of a new flow. */
const writableStatus = settableBits | statusBits.confirmed;

const child = (path: string, name: string) => `${path}.${name}`;

export function packMaster(
  packer: FieldPacker,
  value: unknown,
  family: 2 | 10,
  path: string,
): void {
  const master = objectAt(value, path);
  onlyFields(master, new Set(['protocol', 'src', 'dst', 'srcPort', 'dstPort']), path);
  const protocol = protocolAt(master.protocol, child(path, 'protocol'));
  // These are the slots of the translation, which is packed by now.
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
 * Packs what a flow without a timeout needs. A flow that was read without one gets the kernel's default, and so does
 * every flow where many are made (`anyRow`). Any other is refused.
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
  let state = states?.indexOf(fields.state as StateName) ?? -1;
  // The kernel sends no state of an offloaded flow either. It offloads TCP only when it is established.
  if (state < 0 && protocol === protocolNumbers.tcp && offloaded(status)) {
    state = states!.indexOf('ESTABLISHED');
    packer.u8(field.state, state);
  }
  packer.u32(field.timeout, defaultTimeout(protocol, state < 0 ? undefined : state, status));
}

/**
 * Refuses status bits that only the kernel sets, unless something in the flow makes the kernel set them: the kernel
 * would ignore them. Where many flows are made (`anyRow`), the bits of an offloaded flow are left out: its next
 * packets offload it again.
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

/**
 * Checks a flow to create, which `takeInit` or `takeRow` gave, and appends its packed form. Gives the family of a flow
 * that the kernel should translate.
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
  // Only a flow that was read has the number as well.
  const read = fields.statusBits !== undefined;
  if (status !== undefined && !read) refuseOwned(fields, status, path, anyRow);
  // The kernel sets up a translation from the plain reply tuple. A flow that was read may have tuples that differ
  // although the kernel did not translate it (its status says so). It is written with the tuples that it has.
  const natBits = statusBits.src_nat | statusBits.dst_nat;
  const untranslated =
    read && identity.replyGiven && status !== undefined && (status & natBits) === 0;
  const translate = fields.nat !== undefined && !untranslated;
  const reply = translate ? invert(identity.orig, protocol) : identity.reply;
  packTuple(packer, reply, family, true, identity.reply.zone);
  if (fields.nat !== undefined) {
    const how = translate && 'request';
    packNat(packer, fields.nat, identity, pathText(path), pathText(path, '.nat'), how);
  }
  packWritable(packer, fields, protocol, path);
  if (fields.timeout === undefined) {
    packDefaults(packer, fields, protocol, status ?? 0, anyRow, path);
  } else {
    // A timeout of 0 was read where less than a second was left. An entry with it would be gone at once.
    packer.u32(field.timeout, u32Of(fields.timeout, path, '.timeout') || 1);
  }
  if (fields.zone !== undefined && fields.zone !== 0) {
    packer.u16(field.zone, u16At(fields.zone, pathText(path, '.zone')));
  }
  if (fields.mark !== undefined) packer.u32(field.mark, u32Of(fields.mark, path, '.mark'));
  if (status !== undefined)
    packer.u32(field.status, (status & writableStatus) | statusBits.confirmed);
  if (fields.labels !== undefined) {
    // Labels need room in the entry: only where there is one to set.
    const labels = labelBitmap(fields.labels, pathText(path, '.labels'));
    if (labels.some((byte) => byte !== 0)) packer.bytes(field.labels, labels);
  }
  if (fields.master !== undefined)
    packMaster(packer, fields.master, family, pathText(path, '.master'));
  packer.end();
  return translate ? (family === AF_INET ? 'ipv4' : 'ipv6') : undefined;
}
