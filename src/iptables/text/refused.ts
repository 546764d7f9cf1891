// Refusals of what iptables or the kernel would not take: an error that begins with the path of the field.
import { bounded } from '../../errors.js';

/** A rule, option or combination that iptables or the kernel would not take, and why. */
export function refused(path: string, reason: string): RangeError {
  return new RangeError(`${bounded(path)}: ${bounded(reason)}`);
}

/** The same for a field that is not there or has the wrong form. */
export function refusedType(path: string, reason: string): TypeError {
  return new TypeError(`${bounded(path)}: ${bounded(reason)}`);
}
