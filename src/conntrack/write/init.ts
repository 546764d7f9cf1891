// A flow to create: its type, and a copy of what callers give, each field read once.
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
import { sideFields, type TupleSideInit } from '../lookup/tuple.js';
import { type FlowWritable, writableFields } from './writable.js';

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

const initFields: ReadonlySet<string> = new Set([
  ...fieldsFor('key', 'both', 'create'),
  ...[...writableFields, ...sideFields, ...fieldsFor('read')],
]);

/** As their types say: what names a tuple may be put together of parts that are not there. */
const mayBeUndefined = new Set([...sideFields, 'zone']);
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
