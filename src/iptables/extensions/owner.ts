// Match owner: the socket that made a packet (struct xt_owner_match_info). Chains: OUTPUT,
// POSTROUTING.
import { refused } from '../text/refused.js';
import type { ArgumentPlace, Known, Not } from './define.js';
import { both, match } from './define.js';
import { given, range } from './number-values.js';
import type { Range } from './stores.js';
import { bit, flagBit, nothing, pair, u32 } from './stores.js';

export interface OwnerMatch extends Known {
  readonly name: 'owner';
  /** The socket has a file (sockets of kernel threads have none). */
  readonly socketExists?: Not<true>;
  /** User id of the file, or a range of ids. */
  readonly uidOwner?: Not<number | Range>;
  /** Group id of the file, or a range of ids. */
  readonly gidOwner?: Not<number | Range>;
  /** `gidOwner` also looks at supplementary groups (Linux 5.1 and later). */
  readonly supplGroups?: true;
}

/** UINT32_MAX means "no id". */
const maxId = 0xfffffffe;
const ids = (look: (name: string, at: ArgumentPlace) => number | undefined, what: string) => {
  const numbers = range({ max: maxId, separator: '-', open: false, what });
  return {
    ...numbers,
    parse: (text: string, at: ArgumentPlace) => look(text, at) ?? numbers.parse(text, at),
  };
};

export const owner = match<OwnerMatch>({
  name: 'owner',
  revision: 1,
  families: both,
  size: 24,
  fields: {
    socketExists: {
      options: ['socket-exists'],
      type: given,
      store: nothing,
      present: bit(16, 4),
      invert: bit(17, 4),
    },
    uidOwner: {
      options: ['uid-owner'],
      type: ids((name, at) => at.names.userId(name), 'a user name, an id or two with - between'),
      store: pair(u32(0), u32(4)),
      present: bit(16, 1),
      invert: bit(17, 1),
    },
    gidOwner: {
      options: ['gid-owner'],
      type: ids((name, at) => at.names.groupId(name), 'a group name, an id or two with - between'),
      store: pair(u32(8), u32(12)),
      present: bit(16, 2),
      invert: bit(17, 2),
    },
    supplGroups: {
      options: ['suppl-groups'],
      type: given,
      store: flagBit(16, 8),
      requires: ['gidOwner'],
    },
  },
  check(value, at) {
    if (!value.socketExists && value.uidOwner === undefined && value.gidOwner === undefined) {
      throw refused(at.path, 'needs uidOwner, gidOwner or socketExists');
    }
  },
});
