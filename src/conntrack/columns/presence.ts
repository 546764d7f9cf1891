// Which bits say that a row has a value in a column, and in which column of presence they are.
import type { ColumnName, ColumnStore } from './column-store.js';
import { attributeOf } from './schema.js';

/** Words of a column of presence, and bits of it. */
export interface Presence {
  readonly presence: Uint32Array;
  /** A row with one of them has the value; where there are none, every row has it. */
  readonly bits: number;
}

/** What these columns have is taken as it is: 0 where the kernel sent none, and every flow has addresses. */
const takenAsItIs = new Set<string>([
  ...['id', 'status', 'mark', 'zone', 'origSrc', 'origDst', 'replySrc', 'replyDst'],
]);

/** Where the bit of a column is; undefined: the value is taken as it is. */
export function attributeAt(
  name: ColumnName,
): { column: 'presence' | 'presenceMore'; bit: number } | undefined {
  if (takenAsItIs.has(name) || !(name in attributeOf)) return undefined;
  return attributeOf[name as keyof typeof attributeOf];
}

/** Which rows have a value in a column, or in one of two whose attributes are in the same word. */
export function presenceFor(store: ColumnStore, ...names: ColumnName[]): Presence {
  let column: 'presence' | 'presenceMore' = 'presence';
  let bits = 0;
  for (const name of names) {
    const at = attributeAt(name);
    if (at === undefined) continue;
    column = at.column;
    // As a signed number, also of one bit alone: that is what `presence & bits` is compared with.
    bits |= at.bit;
  }
  return { presence: store.column(column), bits };
}
