// Match physdev: the ports of a bridge that a packet passes (struct xt_physdev_info).

import { textToBytes } from '../text/encoding.js';
import { refused } from '../text/refused.js';
import { bare } from '../text/words.js';
import type { Known, Not, Store, ValueType } from './define.js';
import { both, match } from './define.js';
import { checkInterface } from './interfaces.js';
import { given } from './number-values.js';
import { bit, bytesOf, fixedString, nothing } from './stores.js';

/** At least one field. All given fields must hold. */
export interface PhysdevMatch extends Known {
  readonly name: 'physdev';
  /** The packet came in through a port of a bridge. */
  readonly isIn?: Not<true>;
  /** The port through which it came in; `+` at the end: any name with this beginning. */
  readonly in?: Not<string>;
  /** The packet will leave through a port of a bridge. FORWARD and POSTROUTING only. */
  readonly isOut?: Not<true>;
  /** The port through which it will leave. FORWARD and POSTROUTING only. */
  readonly out?: Not<string>;
  /** The packet is bridged, not routed. */
  readonly isBridged?: Not<true>;
}

/** XT_PHYSDEV_OP_*, in `bitmask` (given) and in `invert`. */
const operation = (mask: number) => ({ present: bit(65, mask), invert: bit(64, mask) });
const op = { in: 1, out: 2, bridged: 4, isIn: 8, isOut: 0x10 } as const;

const name: ValueType<string> = {
  arity: 1,
  check: checkInterface,
  parse: checkInterface,
  print: bare,
};

/** A name, with a mask of the bytes that count: with the NUL of an exact name, without the `+`. */
function device(at: number): Store<string> {
  const text = fixedString(at, 16);
  return {
    ...text,
    write(payload, value, cx) {
      text.write(payload, value, cx);
      const length = textToBytes(value).length;
      const counts = value.endsWith('+') ? length - 1 : length + 1;
      bytesOf(payload, at + 16, 16).fill(255, 0, counts);
    },
  };
}

export const physdev = match<PhysdevMatch>({
  name: 'physdev',
  revision: 0,
  families: both,
  size: 72,
  fields: {
    isIn: { options: ['physdev-is-in'], type: given, store: nothing, ...operation(op.isIn) },
    in: { options: ['physdev-in'], type: name, store: device(0), ...operation(op.in) },
    isOut: { options: ['physdev-is-out'], type: given, store: nothing, ...operation(op.isOut) },
    out: { options: ['physdev-out'], type: name, store: device(32), ...operation(op.out) },
    isBridged: {
      options: ['physdev-is-bridged'],
      type: given,
      store: nothing,
      ...operation(op.bridged),
    },
  },
  check(value, at) {
    const all = [value.isIn, value.in, value.isOut, value.out, value.isBridged];
    if (all.every((each) => each === undefined)) {
      throw refused(at.path, 'needs at least one condition');
    }
  },
});
