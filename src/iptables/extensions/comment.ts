// Match comment: always matches, and holds a text (struct xt_comment_info).
import type { Known } from './define.js';
import { both, match } from './define.js';
import { fixedString } from './stores.js';
import { string } from './text-values.js';

export interface CommentMatch extends Known {
  readonly name: 'comment';
  /** At most 255 bytes of UTF-8. iptables cuts longer ones, the typed form refuses them. */
  readonly comment: string;
}

export const comment = match<CommentMatch>({
  name: 'comment',
  revision: 0,
  families: both,
  size: 256,
  fields: {
    comment: {
      options: ['comment'],
      type: string({ max: 255, longer: 'cut' }),
      store: fixedString(0, 256),
      required: true,
    },
  },
});
