// The packed form of an update: the tuple of the flow meant, and what changes of it.
import { field } from './columns.js';
import type { FieldPacker } from './field-packer.js';
import type { Flow } from './flow.js';
import { type FlowChange, type FlowInit, packChange } from './flow-init.js';
import { type TupleInit, TuplePacker, type TupleSideInit } from './tuple.js';

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Appends one update of the flow with this original tuple; `status` is the whole word to write. */
export function packUpdate(
  packer: FieldPacker,
  target: Flow | TupleInit,
  change: FlowChange,
  status: number | undefined,
): void {
  const tuples = new TuplePacker(1);
  tuples.add(target, 'target');
  const view = new DataView(tuples.bytes.buffer);
  const u16 = (offset: number) => view.getUint16(offset, littleEndian);
  const family = view.getUint8(16);
  const protocol = view.getUint8(17);
  const flags = view.getUint8(18);
  const size = family === 2 ? 4 : 16;
  packer.begin();
  packer.u8(field.family, family);
  packer.u8(field.protocol, protocol);
  packer.bytes(field.origSrc, tuples.bytes.subarray(20, 20 + size));
  packer.bytes(field.origDst, tuples.bytes.subarray(36, 36 + size));
  if ((flags & 4) !== 0) {
    packer.u16(field.origSrcPort, u16(8));
    packer.u16(field.origDstPort, u16(10));
  }
  if ((flags & 8) !== 0) {
    packer.u16(field.icmpId, u16(12));
    packer.u8(field.icmpType, view.getUint8(14));
    packer.u8(field.icmpCode, view.getUint8(15));
  }
  if ((flags & 16) !== 0) packer.u16(field.origZone, u16(6));
  if (u16(4) !== 0) packer.u16(field.zone, u16(4));
  if (status === undefined) {
    packChange(packer, change, protocol);
  } else {
    const { status: _, ...rest } = change;
    if (Object.values(rest).some((value) => value !== undefined))
      packChange(packer, rest, protocol);
    packer.u32(field.status, status);
  }
  packer.end();
}

const changeable = [
  ...['timeout', 'state', 'helper', 'helperInfo', 'tcp', 'sctp', 'dccp', 'seqAdj', 'synproxy'],
  ...['mark', 'labels'],
] as const;
const settable: readonly string[] = ['seen_reply', 'assured', 'fixed_timeout'];

/** What an upsert changes of a flow that is there: all of `init` that can be changed later. */
export function changeOf(init: FlowInit): FlowChange | undefined {
  const change: Record<string, unknown> = {};
  for (const key of changeable) {
    const value = (init as unknown as Record<string, unknown>)[key];
    if (value !== undefined) change[key] = value;
  }
  const given = typeof init.status === 'string' ? [init.status] : (init.status ?? []);
  const status = given.filter((name) => settable.includes(name));
  if (status.length > 0) change.status = status;
  return Object.keys(change).length > 0 ? (change as FlowChange) : undefined;
}

/** The tuple of a flow to create: by its original direction where that is given, without an id. */
export function tupleOf(init: FlowInit): TupleInit {
  const { protocol, zone, orig, reply } = init;
  const { src, dst, srcPort, dstPort, icmpType, icmpCode, icmpId } = init;
  const common = { protocol, zone };
  if (orig !== undefined) return { ...common, orig };
  if (src === undefined || dst === undefined) return { ...common, reply: reply as TupleSideInit };
  return { ...common, orig: { src, dst, srcPort, dstPort, icmpType, icmpCode, icmpId } };
}
