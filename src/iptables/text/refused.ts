// Refuses what iptables or the kernel would not take, with an error that begins with the path of the field.
import { bounded } from '../../errors.js';

/** The error for a rule, option or combination that iptables or the kernel would not take. Says why. */
export function refused(path: string, reason: string): RangeError {
  return new RangeError(`${bounded(path)}: ${bounded(reason)}`);
}

/** The same for a field that does not exist or has the wrong form. */
export function refusedType(path: string, reason: string): TypeError {
  return new TypeError(`${bounded(path)}: ${bounded(reason)}`);
}
