// What names one flow: a tuple as callers give it. Its type, and the checks of its parts.
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

/** One direction of a flow: with ports for protocols that have them, with ICMP fields for ICMP. */
export interface TupleSideInit {
  /** Source address as text. */
  src: string;
  /** Destination address as text, of the same family. */
  dst: string;
  /** Source port, 0 to 65535. Protocols with ports need it; for GRE it is the key. */
  srcPort?: number | undefined;
  /** Destination port, 0 to 65535. Protocols with ports need it; for GRE it is the key. */
  dstPort?: number | undefined;
  /** The type, 0 to 255. ICMP and ICMPv6 need it. */
  icmpType?: number | undefined;
  /** The code, 0 to 255. ICMP and ICMPv6 need it. */
  icmpCode?: number | undefined;
  /** The id, 0 to 65535. ICMP and ICMPv6 need it. */
  icmpId?: number | undefined;
  /** Zone of this direction only. */
  zone?: number | undefined;
}

/** A reply tuple of which nothing but its zone is given. */
export interface ReplyZone {
  /** Zone of the reply direction only. */
  zone: number;
}

/**
 * Names one flow by its original tuple (`orig`, or its fields directly) or by its reply tuple (`reply`). A `Flow`
 * names itself, and so does what `toObject()` gives, with its `id`.
 */
export interface TupleInit extends Partial<TupleSideInit> {
  /** The protocol by name or number. */
  protocol: Protocol;
  /** The family. It follows from the addresses: another one than theirs is refused. */
  family?: Family | undefined;
  /** The original tuple, where its fields are not given directly. */
  orig?: TupleSideInit | undefined;
  /** The reply tuple. Beside the original tuple, which names the flow then, it may have its `zone` only. */
  reply?: TupleSideInit | ReplyZone | undefined;
  /** Zone of both directions; 0 when left out. */
  zone?: number | undefined;
  /**
   * CTA_ID of the flow, in this table. A flow with the same tuple and another id is not meant.
   * The kernel makes the id of the place of the entry in memory and of its tuple, and uses memory again at once.
   * So a flow that takes the tuple of one that has just gone has the same id more often than not. An id never
   * proves that a flow is the one meant; `start` does.
   */
  id?: number | undefined;
  /**
   * Start of the flow meant: CTA_TIMESTAMP_START, nanoseconds since the epoch, or their text, as JSON has it. A flow
   * that began at another time is not the one meant, and neither is a flow without a start. Flows that are made
   * while `nf_conntrack_timestamp` is 1 have one.
   */
  start?: bigint | string | undefined;
}

/** The fields of one direction that tell flows apart. */
export const sideFields = ['src', 'dst', 'srcPort', 'dstPort', 'icmpType', 'icmpCode', 'icmpId'];
/** The fields that one direction may have. What reading adds is allowed, and ignored. */
export const sideAllowed: ReadonlySet<string> = new Set([
  ...sideFields,
  'zone',
  'packets',
  'bytes',
]);
const ownFields = new Set([
  ...['protocol', 'family', 'orig', 'reply', 'zone', 'id', 'start', ...sideFields],
]);
/** Callers may give a FlowObject as it is. */
const allowedFields: ReadonlySet<string> = new Set([...ownFields, ...flowFields]);

/** A copy of what names a flow. The names of its fields are checked. */
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

/** Whether a reply tuple has nothing but its zone. That zone is checked then. */
export function hasZoneAlone(reply: Fields, path: Path): boolean {
  for (const key in reply) if (key !== 'zone' && reply[key] !== undefined) return false;
  if (reply.zone === undefined) return false;
  u16At(reply.zone, pathText(path, '.reply.zone'));
  return true;
}

/** Nanoseconds since the epoch: a bigint, or its text, as JSON has it. */
export function startAt(value: unknown, path: Path): bigint {
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) value = BigInt(value);
  const at = pathText(path, '.start');
  if (typeof value !== 'bigint') throw badType(at, 'nanoseconds as a bigint or its text', value);
  if (value < 0n || value >= 1n << 64n) throw badRange(at, 'an unsigned 64-bit value', value);
  return value;
}
