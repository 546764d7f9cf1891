// Names of files under /proc/net that the kernel makes for hashlimit and recent. Not an extension.
import type { ValueType } from './define.js';
import { string } from './text-values.js';

/** A name that xt_check_proc_name() takes. iptables cuts longer names, and then means another list. */
export const procName = (max: number): ValueType<string> =>
  string({
    max,
    min: 1,
    bare: true,
    unless(name) {
      if (name === '.' || name === '..' || name.includes('/')) {
        return 'the kernel makes a file of that name';
      }
      return undefined;
    },
  });
