// Match helper: the conntrack helper of the packet's flow (struct xt_helper_info).
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { bit, fixedString } from './stores.js';
import { string } from './text-values.js';

export interface HelperMatch extends Known {
  readonly name: 'helper';
  /**
   * The name of the helper (`ftp`, or `ftp-2121` on another port), at most 29 bytes. The empty string: any helper.
   */
  readonly helper: Not<string>;
}

export const helper = match<HelperMatch>({
  name: 'helper',
  revision: 0,
  families: both,
  size: 40,
  fields: {
    helper: {
      options: ['helper'],
      // iptables cuts a longer name. Then it means another helper.
      type: string({ max: 29 }),
      store: fixedString(4, 30),
      invert: bit(0, 1, 32),
      required: true,
    },
  },
});
