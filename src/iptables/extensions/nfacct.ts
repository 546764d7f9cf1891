// Match nfacct: counts packets in an accounting object (struct xt_nfacct_match_info; revision 1 differs only in the
// layout of 32-bit programs).
import type { Known } from './define.js';
import { both, match } from './define.js';
import { fixedString } from './stores.js';
import { string } from './text-values.js';

/** Always matches, unless the object has a quota and all of it is used. */
export interface NfacctMatch extends Known {
  readonly name: 'nfacct';
  /** The object's name, at most 31 bytes. It must exist when the rule is loaded. */
  readonly nfacctName: string;
}

const type = string({ max: 31, min: 1 });

const describe = (revision: 0 | 1) =>
  match<NfacctMatch>({
    name: 'nfacct',
    revision,
    families: both,
    size: 40,
    userSize: 32,
    fields: {
      nfacctName: {
        options: ['nfacct-name'],
        required: true,
        type,
        store: fixedString(0, 32),
        // Two blanks, as iptables-save writes it.
        print: (name, _, cx) => `--nfacct-name  ${type.print(name, cx)}`,
      },
    },
  });

export const nfacct0 = describe(0);
export const nfacct1 = describe(1);
