// What names one flow: a tuple as callers give it, its type and the checks of its parts.
import {
  type Fields,
  onlyFields,
  type Path,
  pathText,
  shallowCopyAt,
  u16At,
} from '../../checks.js';
import type { Family, Protocol } from '../../constants.js';
import { badRange, badType } from '../../errors.js';
import { flowFields } from '../flow/fields.js';

/** One direction of a flow to look for. Ports for protocols that have them, ICMP fields for ICMP. */
export interface TupleSideInit {
  src: string;
  dst: string;
  srcPort?: number | undefined;
  dstPort?: number | undefined;
  icmpType?: number | undefined;
  icmpCode?: number | undefined;
  icmpId?: number | undefined;
  /** Zone of this direction alone. */
  zone?: number | undefined;
}

/**
 * Names one flow by its original tuple (`orig`, or the fields of it directly) or by its reply tuple
 * (`reply`). A `Flow` and what `toObject()` gives name themselves, with their `id`.
 */
export interface TupleInit extends Partial<TupleSideInit> {
  protocol: Protocol;
  family?: Family;
  orig?: TupleSideInit;
  /** The reply tuple; beside the original one, which names the flow then, its `zone` alone will do. */
  reply?: TupleSideInit | { zone: number };
  /** Zone of both directions; 0 when left out. */
  zone?: number | undefined;
  /**
   * CTA_ID of the flow meant, of this very table: a flow with the same tuple and another id is then not it.
   * The kernel makes the id of the entry's place in memory and its tuple, and uses memory again at once: a
   * flow that takes the tuple of one that has just gone bears the same id more often than not. So an id never
   * proves that a flow is the one meant; `start` does.
   */
  id?: number;
  /**
   * Start of the flow meant (CTA_TIMESTAMP_START, nanoseconds since the epoch; as text, as JSON has it, too):
   * a flow that began at another time is then not it. Flows made while `nf_conntrack_timestamp` was 1 have
   * one; one that has none is not the one meant either.
   */
  start?: bigint | string | undefined;
}

/** The fields of one direction that tell flows apart. */
export const sideFields = ['src', 'dst', 'srcPort', 'dstPort', 'icmpType', 'icmpCode', 'icmpId'];
/** The fields of one direction that may be given: also what reading gives. */
export const sideAllowed: ReadonlySet<string> = new Set([
  ...sideFields,
  'zone',
  'packets',
  'bytes',
]);
const ownFields = new Set([
  ...['protocol', 'family', 'orig', 'reply', 'zone', 'id', 'start', ...sideFields],
]);
/** What a FlowObject has as well: callers may give one as it is. */
const allowedFields: ReadonlySet<string> = new Set([...ownFields, ...flowFields]);

/** A copy of what names a flow, with the names of its fields checked. */
export function tupleAt(value: unknown, path: Path): Fields {
  const fields = shallowCopyAt(value, path, 'a tuple or a Flow');
  for (const key in fields) {
    if (!allowedFields.has(key)) onlyFields(fields, ownFields, pathText(path));
  }
  return fields;
}

/** A copy of one direction; `part` follows `path` in messages: `.orig`. */
export function sideAt(value: unknown, path: Path, part: string): Fields {
  const side = shallowCopyAt(value, () => pathText(path, part), 'an object');
  for (const key in side) {
    if (!sideAllowed.has(key)) onlyFields(side, sideAllowed, pathText(path, part));
  }
  return side;
}

/** Whether the zone, which is checked then, is all that is said of a reply tuple. */
export function hasZoneAlone(reply: Fields, path: Path): boolean {
  for (const key in reply) if (key !== 'zone' && reply[key] !== undefined) return false;
  if (reply.zone === undefined) return false;
  u16At(reply.zone, pathText(path, '.reply.zone'));
  return true;
}

/** Nanoseconds since the epoch, as a bigint or as JSON has it. */
export function startAt(value: unknown, path: Path): bigint {
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) value = BigInt(value);
  const at = pathText(path, '.start');
  if (typeof value !== 'bigint') throw badType(at, 'nanoseconds as a bigint or its text', value);
  if (value < 0n || value >= 1n << 64n) throw badRange(at, 'an unsigned 64-bit value', value);
  return value;
}
