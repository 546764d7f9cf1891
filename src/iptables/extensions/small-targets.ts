// Targets with few fields: TRACE, AUDIT, CHECKSUM.
import type { Known } from './define.js';
import { both, target } from './define.js';
import { given } from './number-values.js';
import { coded, flagBit, u8 } from './stores.js';
import { oneOf } from './text-values.js';

/** Logs every rule that the packet matches from here on. Table raw. */
export interface TraceTarget extends Known {
  readonly name: 'TRACE';
}

export const TRACE = target<TraceTarget>({
  name: 'TRACE',
  revision: 0,
  families: both,
  size: 0,
  tables: ['raw'],
  fields: {},
});

/** Writes a record of the packet to the audit log; decides nothing (struct xt_audit_info). */
export interface AuditTarget extends Known {
  readonly name: 'AUDIT';
  /** What happens to the packet, for the record. */
  readonly type: keyof typeof types;
}

/** XT_AUDIT_TYPE_*. */
const types = { accept: 0, drop: 1, reject: 2 } as const;

export const AUDIT = target<AuditTarget>({
  name: 'AUDIT',
  revision: 0,
  families: both,
  size: 8,
  fields: {
    type: {
      options: ['type'],
      required: true,
      type: oneOf(Object.keys(types) as (keyof typeof types)[], { anyCase: true }),
      store: coded(u8(0), types),
    },
  },
});

/** Table mangle. The kernel advises to use it only with `-p udp` (struct xt_CHECKSUM_info). */
export interface ChecksumTarget extends Known {
  readonly name: 'CHECKSUM';
  /** Computes a checksum that was left to the network card. */
  readonly fill: true;
}

export const CHECKSUM = target<ChecksumTarget>({
  name: 'CHECKSUM',
  revision: 0,
  families: both,
  size: 8,
  tables: ['mangle'],
  fields: {
    fill: { options: ['checksum-fill'], required: true, type: given, store: flagBit(0, 1) },
  },
});
