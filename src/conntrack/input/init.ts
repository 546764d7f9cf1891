// A flow to create: its type, and the copy of what callers give. Each field is read once.
import {
  copyAt,
  type Fields,
  fieldsAt,
  isUndefined,
  onlyFields,
  type Path,
  pathText,
  shallowCopyAt,
} from '../../checks.js';
import type { Family, Protocol, StatusName } from '../../constants.js';
import { type Endpoint, type FlowMaster, fieldsFor } from '../flow/fields.js';
import { Flow } from '../flow/flow.js';
import { type ReplyZone, sideFields, type TupleSideInit } from './tuple.js';
import { type FlowWritable, writableFields } from './writable.js';

/**
 * A flow to create. One tuple is enough: `orig` (or its fields directly) or `reply`. The other is derived. What
 * `toArray()` gives is a FlowInit too: fields that only the kernel sets (counters, id, use, times, secctx, some
 * status bits) are left out of the request. A field that is `undefined` is refused, but for those of a tuple.
 */
export interface FlowInit extends FlowWritable, Partial<TupleSideInit> {
  /** The family. It follows from the addresses: another one than theirs is refused. */
  family?: Family;
  /** The protocol by name or number. */
  protocol: Protocol;
  /** The original tuple, where its fields are not given directly. */
  orig?: TupleSideInit;
  /** The reply tuple. Beside the original tuple it may have its `zone` only: the rest is derived. */
  reply?: TupleSideInit | ReplyZone;
  /** Zone of both directions. */
  zone?: number | undefined;
  /** CTA_MARK — connmark, of 32 bits. */
  mark?: number;
  /**
   * `seen_reply`, `assured` and `fixed_timeout` are written. The kernel sets the other bits by itself. In a flow that
   * was read they are ignored. Elsewhere they are refused, unless a field (`nat`, `master`, `seqAdj`) makes the
   * kernel set them.
   */
  status?: StatusName | readonly StatusName[];
  /** The numbers of labels to set, 0 to 127. Needs a rule that uses connlabel. */
  labels?: readonly number[];
  /** The translation to set up: address, port, or both. The reply tuple follows from it. */
  nat?: NatInit;
  /** The original tuple of the flow that expected this one. That flow must be in the table. */
  master?: FlowMaster;
}

/** A translation to set up: of the source, of the destination, or of both. */
export interface NatInit {
  /** What the source becomes: an address, or an address, a port or both. */
  src?: string | Partial<Endpoint>;
  /** What the destination becomes: an address, or an address, a port or both. */
  dst?: string | Partial<Endpoint>;
}

const initFields: ReadonlySet<string> = new Set([
  ...fieldsFor('key', 'both', 'create'),
  ...[...writableFields, ...sideFields, ...fieldsFor('read')],
]);

/** These may be undefined, as their types say: a caller may put a tuple together of parts that are not there. */
const mayBeUndefined = new Set([...sideFields, 'zone']);
/** These need no copy: packing reads them once, or not at all. */
const lists = new Set(['status', 'labels', 'helperInfo', 'unknown']);

/** A copy of a part of a flow. A tuple is copied in the quickest way. */
function takePart(name: string, value: object, path: Path): unknown {
  const at = () => pathText(path, `.${name}`);
  if (name === 'orig' || name === 'reply') return shallowCopyAt(value, at, 'an object');
  return copyAt(value, at);
}

/** A copy of a flow to create, with everything in it. Each field is read once. */
export function takeInit(init: unknown, path: string): Fields {
  if (Flow.isFlow(init)) return init.toObject() as unknown as Fields;
  const fields = fieldsAt(init, path, initFields, 'a flow', mayBeUndefined);
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (typeof value === 'object' && value !== null) fields[name] = takePart(name, value, path);
  }
  return fields;
}

/** As `takeInit`, for one of many flows. */
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
