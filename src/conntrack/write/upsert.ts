// What an upsert makes of a flow to create that is there already: which flow it means, and what it changes.
import { type Fields, protocolAt } from '../../checks.js';
import { field } from '../columns/schema.js';
import { fieldsFor } from '../flow/fields.js';
import type { FieldPacker } from '../input/field-packer.js';
import { packTuple, readTuple } from '../input/identity.js';
import type { FlowInit } from '../input/init.js';
import { scalesFit } from '../input/tcp.js';
import type { TupleInit, TupleSideInit } from '../input/tuple.js';
import { settableStatus, writableFields } from '../input/writable.js';
import { type FlowChange, packChange } from './change.js';

/** The fields that a change takes as they are. Status is not one of them. */
const changeable = [...writableFields, ...fieldsFor('both').filter((name) => name !== 'status')];

/** What an upsert changes in a flow that is there: everything in `init` that can be changed later. */
export function changeOf(init: FlowInit): FlowChange | undefined {
  const change: Record<string, unknown> = {};
  for (const key of changeable) {
    const value = (init as unknown as Record<string, unknown>)[key];
    if (value !== undefined) change[key] = value;
  }
  // For a connection that is half open the kernel takes scales only at its creation (see FlowWritable.tcp).
  const tcp = change.tcp as FlowInit['tcp'];
  if (typeof tcp === 'object' && tcp !== null && !scalesFit(tcp)) {
    const { wscale: _, ...flags } = tcp;
    change.tcp = flags;
  }
  const given = typeof init.status === 'string' ? [init.status] : (init.status ?? []);
  const status = given.filter((name) => settableStatus.includes(name));
  if (status.length > 0) change.status = status;
  return Object.keys(change).length > 0 ? (change as FlowChange) : undefined;
}

/** The tuple of a flow to create, without an id: the original one where that is given. */
export function tupleOf(init: FlowInit): TupleInit {
  const { protocol, zone, orig, reply } = init;
  const { src, dst, srcPort, dstPort, icmpType, icmpCode, icmpId } = init;
  const common = { protocol, zone };
  if (orig !== undefined) return { ...common, orig };
  if (src === undefined || dst === undefined) return { ...common, reply: reply as TupleSideInit };
  return { ...common, orig: { src, dst, srcPort, dstPort, icmpType, icmpCode, icmpId } };
}

/**
 * Appends the change of a flow to create that is there already, with the tuple that names it. The flow was taken and
 * packed as a new one before: its fields are right.
 */
export function packUpsertChange(packer: FieldPacker, fields: Fields, path: string): void {
  const protocol = protocolAt(fields.protocol, `${path}.protocol`);
  const { orig, reply, zone } = fields;
  const direct = fields.src !== undefined || fields.dst !== undefined;
  const isReply = !direct && orig === undefined;
  const part = direct ? '' : isReply ? '.reply' : '.orig';
  // A `zone` beside `src` and `dst` is the zone of the flow, not of the direction.
  const side = direct ? { ...fields, zone: undefined } : ((isReply ? reply : orig) as Fields);
  const { tuple, family } = readTuple(packer, [0, 1], side, protocol, path, part);
  packer.begin();
  packer.u8(field.family, family);
  packer.u8(field.protocol, protocol);
  packTuple(packer, tuple, family, isReply, tuple.zone);
  if (zone !== undefined && zone !== 0) packer.u16(field.zone, zone as number);
  const change = changeOf(fields as unknown as FlowInit);
  if (change !== undefined) packChange(packer, change, protocol, path);
  packer.end();
}
