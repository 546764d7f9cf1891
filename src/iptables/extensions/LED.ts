// Target LED: lights a LED when packets pass (struct xt_led_info).
import { badRange } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import type { Known, ValueType } from './define.js';
import { both, target } from './define.js';
import { given, integer } from './number-values.js';
import { fixedString, flagBit, mapped, u32 } from './stores.js';
import { string } from './text-values.js';

export interface LedTarget extends Known {
  readonly name: 'LED';
  /** The LED's trigger is `netfilter-` and this text, at most 16 bytes. */
  readonly triggerId: string;
  /** Milliseconds until it goes out again; `inf`: never. 0, at once, unless given. */
  readonly delay?: number | 'inf';
  /** Goes out for a moment on each packet while it is lit. */
  readonly alwaysBlink?: true;
}

const prefix = 'netfilter-';
/**
 * The value of `inf`. iptables-save prints it as -1, and other large values with a sign too. iptables cannot read
 * these.
 */
const infinite = 0xffffffff;

const delay: ValueType<number | 'inf'> = {
  arity: 1,
  check: (value, at) => (value === 'inf' ? value : integer(value, at, 0, infinite - 1)),
  parse(text, at) {
    if (text.toLowerCase().startsWith('inf')) return 'inf'; // iptables compares three letters
    const value = wholeNumber(text, infinite);
    if (value === undefined) throw badRange(at.path, 'milliseconds in 0…4294967295, or inf', text);
    return value === infinite ? 'inf' : value;
  },
  print: String,
};

export const LED = target<LedTarget>({
  name: 'LED',
  revision: 0,
  families: both,
  size: 40,
  userSize: 32,
  fields: {
    triggerId: {
      options: ['led-trigger-id'],
      required: true,
      type: string({ max: 16 }),
      store: mapped(
        fixedString(0, 27),
        (text) => {
          if (!text.startsWith(prefix)) throw new Error(`its trigger is not ${prefix}…`);
          return text.slice(prefix.length);
        },
        (text) => prefix + text,
      ),
      print: (text) => `--led-trigger-id "${text.replace(/["\\]/g, '\\$&')}"`,
    },
    delay: {
      options: ['led-delay'],
      type: delay,
      store: mapped(
        u32(28),
        (value): number | 'inf' => (value === infinite ? 'inf' : value),
        (value) => (value === 'inf' ? infinite : value),
      ),
      default: 0,
    },
    alwaysBlink: { options: ['led-always-blink'], type: given, store: flagBit(27, 1) },
  },
});
