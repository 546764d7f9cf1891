// Targets CONNSECMARK and SECMARK: security marks of packets and flows (struct
// xt_connsecmark_target_info, xt_secmark_target_info, xt_secmark_target_info_v1).
import { refused } from '../text/refused.js';
import { bareWord } from './bare-word.js';
import type { Field, Known } from './define.js';
import { both, target } from './define.js';
import { given } from './number-values.js';
import { fixedString, u8 } from './stores.js';

/** One of `save` and `restore`. Table mangle or security. */
export interface ConnsecmarkTarget extends Known {
  readonly name: 'CONNSECMARK';
  /** Packet → flow, if the flow has none. */
  readonly save?: true;
  /** Flow → packet, if the packet has none. */
  readonly restore?: true;
}

/** CONNSECMARK_SAVE, CONNSECMARK_RESTORE. */
const modes = { save: 1, restore: 2 } as const;

function mode(name: keyof typeof modes, other: keyof typeof modes): Field<true, false> {
  return {
    options: [name],
    type: given,
    store: {
      read: (payload, cx) => (u8(0).read(payload, cx) === modes[name] ? true : undefined),
      write: (payload, _, cx) => u8(0).write(payload, modes[name], cx),
    },
    excludes: [other],
  };
}

export const CONNSECMARK = target<ConnsecmarkTarget>({
  name: 'CONNSECMARK',
  revision: 0,
  families: both,
  size: 8,
  tables: ['mangle', 'security'],
  fields: { save: mode('save', 'restore'), restore: mode('restore', 'save') },
  check(value, at) {
    if (value.save === undefined && value.restore === undefined) {
      throw refused(at.path, 'needs save or restore');
    }
  },
});

/** Marks packets for SELinux, which the kernel must use. Table mangle or security. */
export interface SecmarkTarget extends Known {
  readonly name: 'SECMARK';
  /** The SELinux context, at most 255 bytes: `system_u:object_r:http_packet_t:s0`. */
  readonly selctx: string;
}

/** SECMARK_MODE_SEL, the only one. */
const selinux = 1;

function SECMARK(revision: 0 | 1) {
  const { strings = [], ...selctx } = fixedString(revision === 1 ? 1 : 8, 256);
  return target<SecmarkTarget>({
    name: 'SECMARK',
    revision,
    families: both,
    size: 264,
    // The kernel puts the number of the context (secid) at 260 of revision 1 …
    userSize: revision === 1 ? 260 : 264,
    tables: ['mangle', 'security'],
    always: (payload, cx) => u8(0).write(payload, selinux, cx),
    fields: {
      selctx: {
        options: ['selctx'],
        required: true,
        type: bareWord(255),
        // … and at 4 of revision 0, in the padding after the mode. It is ignored, as bytes after a NUL.
        store: { ...selctx, strings: revision === 1 ? strings : [...strings, [1, 7]] },
      },
    },
  });
}

export const SECMARK0 = SECMARK(0);
export const SECMARK1 = SECMARK(1);
