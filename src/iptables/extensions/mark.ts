// Matches mark and connmark: the packet's and the flow's mark (struct xt_mark_mtinfo1,
// xt_connmark_mtinfo1, one layout).
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { mark as markType } from './number-values.js';
import type { Masked } from './stores.js';
import { bit, masked, u32 } from './stores.js';

export interface MarkMatch extends Known {
  readonly name: 'mark';
  /** The packet's mark (nfmark), all bits or those of a mask. */
  readonly mark: Not<Masked>;
}

export interface ConnmarkMatch extends Known {
  readonly name: 'connmark';
  /** The flow's mark (ctmark), all bits or those of a mask. */
  readonly mark: Not<Masked>;
}

const layout = { revision: 1, families: both, size: 16 } as const;
const field = {
  options: ['mark'],
  type: markType(),
  store: masked(u32(0), u32(4)),
  invert: bit(8, 1),
  required: true,
} as const;

export const mark = match<MarkMatch>({ name: 'mark', ...layout, fields: { mark: field } });
export const connmark = match<ConnmarkMatch>({
  name: 'connmark',
  ...layout,
  fields: { mark: field },
});
