// A change of flows: its type, its checks, and its form as packed fields (schema/fields.h).
import { copyAt, type Fields, fieldsAt, isUndefined, statusAt, u32At } from '../../checks.js';
import type { StatusName } from '../../constants.js';
import { badRange } from '../../errors.js';
import { field } from '../columns/schema.js';
import type { MaskedMark } from '../filter/types.js';
import { fieldsFor } from '../flow/fields.js';
import type { FieldPacker } from '../input/field-packer.js';
import { scalesFit, type TcpChange } from '../input/tcp.js';
import {
  type FlowWritable,
  labelBitmap,
  packWritable,
  settableBits,
  writableFields,
} from '../input/writable.js';

/**
 * What can be changed of a living flow. A field that is `undefined` is refused: it would leave as it is what was to
 * be changed.
 */
export interface FlowChange extends Omit<FlowWritable, 'tcp'> {
  /**
   * For TCP: window scales, and flags to have, to set or to clear. The kernel takes scales only for a flow that has the flag
   * `window_scale` on both sides. Where no flags are given, that flag is set with the scales.
   */
  tcp?: TcpChange;
  /** The whole mark, or the bits under a mask. */
  mark?: number | MaskedMark;
  /** Bits to set: `seen_reply`, `assured`, `fixed_timeout`. None can be cleared. */
  status?: StatusName | readonly StatusName[];
  /** All labels that the flow will have, or some to set and some to clear. */
  labels?: readonly number[] | LabelChange;
}

/** Labels to set and labels to clear. The others stay as they are. */
export interface LabelChange {
  /** The numbers of labels to set, 0 to 127. */
  set?: readonly number[];
  /** The numbers of labels to clear, 0 to 127. */
  clear?: readonly number[];
}

const changeFields = new Set([...writableFields, ...fieldsFor('both')]);

const child = (path: string, name: string) => `${path}.${name}`;

/** A copy of a change, with everything in it. Each field is read once. */
export function takeChange(change: FlowChange, path: string): Fields {
  const fields = fieldsAt(change, path, changeFields, 'an object', changeFields);
  const names = Object.keys(fields);
  if (names.length === 0) throw new TypeError(`${path}: changes nothing`);
  const unset = Object.keys(change).find((name) => !(name in fields));
  if (unset !== undefined) throw isUndefined(path, unset);
  for (const name of names) fields[name] = copyAt(fields[name], child(path, name));
  return fields;
}

/**
 * Checks a change and appends its fields. `protocol` is the protocol of the flows, `undefined` where they may be of
 * several.
 */
export function packChange(
  packer: FieldPacker,
  change: FlowChange,
  protocol: number | undefined,
  path = 'change',
): void {
  packTaken(packer, takeChange(change, path), protocol, path);
}

/** The same for a change that `takeChange` gave. It may be packed for one protocol after the other. */
export function packTaken(
  packer: FieldPacker,
  fields: Fields,
  protocol: number | undefined,
  path: string,
): void {
  if (fields.timeout !== undefined) {
    packer.u32(field.timeout, u32At(fields.timeout, child(path, 'timeout')));
  }
  refuseScales(fields.tcp, path);
  packWritable(packer, fields, protocol, path, 'change');
  if (fields.mark !== undefined) {
    if (typeof fields.mark === 'object' && fields.mark !== null) {
      const mark = fieldsAt(fields.mark, child(path, 'mark'), new Set(['value', 'mask']));
      const mask = u32At(mark.mask, `${path}.mark.mask`);
      // The kernel computes (old & ~mask) ^ value: bits of the value outside the mask would toggle.
      packer.u32(field.mark, (u32At(mark.value, `${path}.mark.value`) & mask) >>> 0);
      packer.u32(field.markMask, mask);
    } else {
      packer.u32(field.mark, u32At(fields.mark, child(path, 'mark')));
    }
  }
  if (fields.status !== undefined)
    packer.u32(field.status, changeStatus(fields.status, child(path, 'status')));
  if (fields.labels !== undefined) packLabelChange(packer, fields.labels, child(path, 'labels'));
}

/** Refuses window scales that the kernel would ignore in silence. */
function refuseScales(tcp: unknown, path: string): void {
  if (typeof tcp !== 'object' || tcp === null || scalesFit(tcp)) return;
  throw new RangeError(
    `${path}.tcp.wscale: the kernel changes scales only where ${path}.tcp.flags have window_scale both ways`,
  );
}

function changeStatus(value: unknown, path: string): number {
  const bits = statusAt(value, path);
  if (bits === 0 || (bits & ~settableBits) !== 0) {
    throw badRange(path, 'some of seen_reply, assured and fixed_timeout', value);
  }
  return bits;
}

function packLabelChange(packer: FieldPacker, value: unknown, path: string): void {
  if (Array.isArray(value)) {
    packer.bytes(field.labels, labelBitmap(value, path));
    packer.bytes(field.labelsMask, new Uint8Array(16).fill(0xff));
    return;
  }
  const fields = fieldsAt(value, path, new Set(['set', 'clear']));
  const set = labelBitmap(fields.set ?? [], `${path}.set`);
  const clear = labelBitmap(fields.clear ?? [], `${path}.clear`);
  const mask = set.map((byte, i) => byte | clear[i]!);
  if (mask.every((byte) => byte === 0)) throw new TypeError(`${path}: changes nothing`);
  if (set.some((byte, i) => (byte & clear[i]!) !== 0)) {
    throw new RangeError(`${path}: a label is both set and cleared`);
  }
  packer.bytes(field.labels, set);
  packer.bytes(field.labelsMask, mask);
}
