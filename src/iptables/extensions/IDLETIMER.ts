// Target IDLETIMER: reports to user space when no packet has come for a time (struct idletimer_tg_info,
// idletimer_tg_info_v1).
import { refused } from '../text/refused.js';
import { bareWord } from './bare-word.js';
import type { Known } from './define.js';
import { both, target } from './define.js';
import { given, number } from './number-values.js';
import { fixedString, flagBit, u32 } from './stores.js';

export interface IdletimerTarget extends Known {
  readonly name: 'IDLETIMER';
  /** Seconds, 1…2147482. */
  readonly timeout: number;
  /** The name of the timer, at most 27 bytes. It is a file under /sys/class/xt_idletimer/timers. */
  readonly label: string;
  /** The timer also runs while the machine sleeps. Revision 1. */
  readonly alarm?: true;
}

// idletimer_tg_helper(): the time in milliseconds must fit in an int.
const longest = Math.floor(0x7fffffff / 1000) - 1;
const absent = { read: () => undefined, write: () => void 0 };

function IDLETIMER(revision: 0 | 1) {
  return target<IdletimerTarget>({
    name: 'IDLETIMER',
    revision,
    families: both,
    size: revision === 1 ? 48 : 40,
    userSize: revision === 1 ? 40 : 32,
    fields: {
      timeout: {
        options: ['timeout'],
        required: true,
        type: number(longest, 1),
        store: u32(0),
      },
      label: {
        options: ['label'],
        required: true,
        type: bareWord(27),
        store: fixedString(4, 28),
      },
      alarm: {
        ...(revision === 1 && { options: ['alarm'] }),
        type: given,
        store: revision === 1 ? flagBit(33, 1) : absent,
      },
    },
    check(value, at) {
      if (revision === 0 && value.alarm !== undefined) {
        throw refused(at.path, 'alarm needs revision 1');
      }
    },
  });
}

export const IDLETIMER0 = IDLETIMER(0);
export const IDLETIMER1 = IDLETIMER(1);
