// The labels of a filter: their check and their plain form, 128 bits in four words. Label 0 is bit 0 of the first.
import { fieldsAt, listAt, u8At } from '../../checks.js';
import { badRange } from '../../errors.js';

/** Four words. */
export type LabelBits = Uint32Array;

export interface LabelSet {
  all: LabelBits;
  any: LabelBits;
  none: LabelBits;
}

const kinds = ['all', 'any', 'none'] as const;
const labelFields = new Set<string>(kinds);

function labelAt(value: unknown, path: string): number {
  const label = u8At(value, path);
  if (label > 127) throw badRange(path, 'an integer from 0 to 127', label);
  return label;
}

const setBit = (bits: LabelBits, label: number) => {
  bits[label >> 5]! |= 1 << (label & 31);
};

/** The numbers of the labels, ascending. */
export function labelNumbers(bits: LabelBits): number[] {
  const numbers: number[] = [];
  for (let label = 0; label < 128; label++) {
    if (((bits[label >> 5]! >>> (label & 31)) & 1) === 1) numbers.push(label);
  }
  return numbers;
}

/** Checks the labels of a filter. */
export function labelsAt(value: unknown, path: string): LabelSet {
  const set = { all: new Uint32Array(4), any: new Uint32Array(4), none: new Uint32Array(4) };
  if (typeof value !== 'object' || value === null) {
    setBit(set.all, labelAt(value, path));
    return set;
  }
  const fields = fieldsAt(value, path, labelFields, 'a label or { all, any, none }');
  const given = kinds.filter((kind) => fields[kind] !== undefined);
  if (given.length === 0) throw badRange(path, 'at least one label', 'none');
  for (const kind of given) {
    const at = `${path}.${kind}`;
    const list = listAt(fields[kind], at);
    if (list.length === 0) throw badRange(at, 'at least one label', 'none');
    list.forEach((one, i) => {
      setBit(set[kind], labelAt(one, `${at}[${i}]`));
    });
  }
  const excluded = labelNumbers(set.none);
  const never = (kind: 'all' | 'any', common: readonly number[]) =>
    new RangeError(
      `${path}.${kind}: ${common.join(', ')} is in ${path}.none too: nothing could match`,
    );
  const both = labelNumbers(set.all).filter((label) => excluded.includes(label));
  if (both.length > 0) throw never('all', both);
  const any = labelNumbers(set.any);
  if (any.length > 0 && any.every((label) => excluded.includes(label))) throw never('any', any);
  return set;
}
