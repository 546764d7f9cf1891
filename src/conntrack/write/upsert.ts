// What an upsert makes of a flow to create when that one is there already: whom it means, and what changes.
import { fieldsFor } from '../flow/fields.js';
import type { TupleInit, TupleSideInit } from '../lookup/tuple.js';
import type { FlowChange } from './change.js';
import type { FlowInit } from './init.js';
import { scalesFit, settableStatus, writableFields } from './writable.js';

/** What a change takes as it is; status is a matter of its own. */
const changeable = [...writableFields, ...fieldsFor('both').filter((name) => name !== 'status')];

/** What an upsert changes of a flow that is there: all of `init` that can be changed later. */
export function changeOf(init: FlowInit): FlowChange | undefined {
  const change: Record<string, unknown> = {};
  for (const key of changeable) {
    const value = (init as unknown as Record<string, unknown>)[key];
    if (value !== undefined) change[key] = value;
  }
  // Of a connection that is half open the kernel takes scales only when it is made (see FlowWritable.tcp).
  const tcp = change.tcp as FlowInit['tcp'];
  if (tcp?.wscale !== undefined && tcp.flags !== undefined && !scalesFit(tcp)) {
    change.tcp = { flags: tcp.flags };
  }
  const given = typeof init.status === 'string' ? [init.status] : (init.status ?? []);
  const status = given.filter((name) => settableStatus.includes(name));
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
