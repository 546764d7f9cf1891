// The type of a flow that no kernel sent.
import type { UnknownAttribute } from '../flow/fields.js';
import type { FlowInit } from './init.js';
import type { TupleSideInit } from './tuple.js';

/** One direction of a {@link FlowSample}: a tuple, counters, or both. */
export interface FlowSampleSide extends Partial<TupleSideInit> {
  /** CTA_COUNTERS_PACKETS; needs `bytes` with it. A number or digits, as JSON has it, do as well. */
  packets?: bigint | number | string | undefined;
  /** CTA_COUNTERS_BYTES; needs `packets` with it. */
  bytes?: bigint | number | string | undefined;
}

/**
 * A flow for `FlowBatch.of`: a {@link FlowInit} that may also have what only the kernel sets. What `toArray()` and
 * `toObject()` give is such a flow, and so is what JSON makes of it. A flow with `statusBits` was read: what it does not
 * have, its row does not have. Every other flow is completed as the kernel does it at its creation.
 */
export interface FlowSample extends Omit<FlowInit, 'orig' | 'reply'> {
  /** The original direction. Beside `src` and `dst` it may have its counters only. */
  orig?: FlowSampleSide;
  /** The reply direction. Beside the original tuple it may have its `zone` and its counters only. */
  reply?: FlowSampleSide;
  /** CTA_ID. A flow without one gets its place in the batch, from 1. */
  id?: number;
  /** CTA_STATUS. Beside `status` only its bits without a name count. */
  statusBits?: number;
  /** CTA_USE. */
  use?: number;
  /** CTA_SECCTX_NAME, at most 4096 bytes. */
  secctx?: string;
  /** CTA_TIMESTAMP_START, nanoseconds since the epoch. */
  start?: bigint | number | string;
  /** CTA_TIMESTAMP_STOP, nanoseconds since the epoch. */
  stop?: bigint | number | string;
  /** Attributes that the package has no name for. JSON has their data as hexadecimal text. */
  unknown?: readonly (Omit<UnknownAttribute, 'data'> & {
    /** Its payload. */
    readonly data: Uint8Array | string;
  })[];
  /** It follows from `protocol`. */
  protocolNumber?: number;
}
