// Match connlabel: one of the 128 labels of the packet's flow (struct xt_connlabel_mtinfo).
import { badRange } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import type { Codec, Known, Not, Store, ValueType } from './define.js';
import { both, match } from './define.js';
import { given, integer } from './number-values.js';
import { bit, flagBit, u16 } from './stores.js';

export interface ConnlabelMatch extends Known {
  readonly name: 'connlabel';
  /**
   * The bit of the label, 0…127, or its name in `/etc/xtables/connlabel.conf`. A match that was read has the bit;
   * text shows the name.
   */
  readonly label: Not<number | string>;
  /** Sets the label if it is not set yet. Matches if that was possible. */
  readonly set?: true;
}

/** XT_CONNLABEL_MAXBIT: the kernel refuses higher ones. */
const maxBit = 127;

function named(text: string, path: string, cx: Codec): number {
  const label = cx.names.connlabel(text) ?? wholeNumber(text, maxBit);
  if (label !== undefined && label <= maxBit) return label;
  throw badRange(path, `a label in 0…${maxBit}, or one of connlabel.conf`, text);
}

const type: ValueType<number | string> = {
  arity: 1,
  check: (value, at) =>
    typeof value === 'string' ? named(value, at.path, at) : integer(value, at, 0, maxBit),
  parse: (text, at) => named(text, at.path, at),
  // Always in quotes.
  print: (value, cx) => `"${cx.names.connlabelName(value as number) || value}"`,
};

export const connlabel = match<ConnlabelMatch>({
  name: 'connlabel',
  revision: 0,
  families: both,
  size: 8,
  fields: {
    label: {
      options: ['label'],
      type,
      store: u16(0) as Store<number | string>,
      invert: bit(2, 1, 16),
      required: true,
    },
    set: { options: ['set'], type: given, store: flagBit(2, 2, 16) },
  },
});
