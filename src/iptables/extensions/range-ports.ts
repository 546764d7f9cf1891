// The ports of the matches sctp and dccp: two numbers for the destination, two for the source, a bit for each pair.
import type { Store, ValueType } from './define.js';
import type { Range } from './stores.js';
import { pair, u16 } from './stores.js';

/**
 * The bits of a payload that say whether a field is given, and whether it is negated. `mask` is the bit of the field.
 */
type Given = (mask: number) => { present: Store<boolean>; invert: Store<boolean> };

export const portFields = (type: ValueType<number | Range>, given: Given) =>
  ({
    sport: { options: ['sport', 'source-port'], type, store: pair(u16(4), u16(6)), ...given(1) },
    dport: {
      options: ['dport', 'destination-port'],
      type,
      store: pair(u16(0), u16(2)),
      ...given(2),
    },
  }) as const;
