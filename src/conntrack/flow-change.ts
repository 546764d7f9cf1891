// Changing flows: what update takes, checked, and packed as fields (schema.h, NF_FIELDS).
import { objectAt, onlyFields, statusAt, u32At } from '../checks.js';
import { type StatusName, statusBits } from '../constants.js';
import { badRange } from '../errors.js';
import { field } from './columns.js';
import type { FieldPacker } from './field-packer.js';
import { type FlowWritable, labelBitmap, packWritable, writableFields } from './flow-writable.js';

/** What can be changed of a living flow. */
export interface FlowChange extends FlowWritable {
  /** The whole mark, or the bits under a mask. */
  mark?: number | { value: number; mask: number };
  /** Bits to set: `seen_reply`, `assured`, `fixed_timeout`. None can be cleared. */
  status?: StatusName | readonly StatusName[];
  /** All labels anew, or some to set and some to clear. */
  labels?: readonly number[] | { set?: readonly number[]; clear?: readonly number[] };
}

const changeFields = new Set([...writableFields, 'mark', 'status', 'labels']);
const changeable = statusBits.seen_reply | statusBits.assured | statusBits.fixed_timeout;

const child = (path: string, name: string) => `${path}.${name}`;

/** Checks a change and appends its fields; `protocol` is that of the flows that it is for. */
export function packChange(
  packer: FieldPacker,
  change: FlowChange,
  protocol: number,
  path = 'change',
): void {
  const fields = objectAt(change, path);
  onlyFields(fields, changeFields, path);
  if (Object.values(fields).every((value) => value === undefined)) {
    throw new TypeError(`${path}: changes nothing`);
  }
  packWritable(packer, fields, protocol, path);
  if (fields.mark !== undefined) {
    if (typeof fields.mark === 'object' && fields.mark !== null) {
      const mark = objectAt(fields.mark, child(path, 'mark'));
      onlyFields(mark, new Set(['value', 'mask']), child(path, 'mark'));
      const mask = u32At(mark.mask, `${path}.mark.mask`);
      // (old & ~mask) ^ value in the kernel: bits outside the mask would toggle.
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

function changeStatus(value: unknown, path: string): number {
  const bits = statusAt(value, path);
  if (bits === 0 || (bits & ~changeable) !== 0) {
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
  const fields = objectAt(value, path);
  onlyFields(fields, new Set(['set', 'clear']), path);
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

/** The status bits that a change adds, if it does. */
export function changedStatus(change: FlowChange): number | undefined {
  return change.status === undefined ? undefined : changeStatus(change.status, 'change.status');
}
