// Names of network interfaces, as options of iptables take them.
import { badRange, badType } from '../../errors.js';
import { hasLoneSurrogates, textToBytes } from '../text/encoding.js';
import { refused } from '../text/refused.js';
import type { Place } from './define.js';

/** IFNAMSIZ: with the NUL. */
export const ifnamsiz = 16;

/** An interface name as `-i` takes it. */
export function checkInterface(value: unknown, at: Place): string {
  if (typeof value !== 'string') throw badType(at.path, 'a string', value);
  const length = textToBytes(value).length;
  if (length === 0 || length >= ifnamsiz) throw badRange(at.path, 'a name of 1…15 bytes', value);
  // iptables takes white space with a warning. Then it prints a rule that cannot be read back.
  if (/[\n\0]/.test(value)) throw refused(at.path, 'must not have a line break or NUL');
  if (hasLoneSurrogates(value)) {
    throw refused(at.path, 'must not have half of a surrogate pair');
  }
  return value;
}
