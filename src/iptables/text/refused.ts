// Refuses what iptables or the kernel would not take, with an error that begins with the path of the field. Puts the place
// of a text before an error that is about the text.
import { bounded } from '../../errors.js';

/** The error for a rule, option or combination that iptables or the kernel would not take. Says why. */
export function refused(path: string, reason: string): RangeError {
  return new RangeError(`${bounded(path)}: ${bounded(reason)}`);
}

/** The same for a field that does not exist or has the wrong form. */
export function refusedType(path: string, reason: string): TypeError {
  return new TypeError(`${bounded(path)}: ${bounded(reason)}`);
}

/** Does work on a text. What it refuses begins with the place of the text among the arguments. */
export function within<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    const { message, stack } = error;
    error.message = `${path}: ${message.replace(/^rule: /, '')}`;
    if (stack?.includes(message)) error.stack = stack.replace(message, () => error.message);
    throw error;
  }
}
