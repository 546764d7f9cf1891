// Which bit of `presence` says that a row has a value in a column.
import type { ColumnName } from './column-store.js';
import { has } from './schema.js';

/** The value of any other column is taken as it is: 0 where the kernel sent none. */
export const presenceOf: Partial<Record<ColumnName, number>> = {
  timeout: has.timeout,
  use: has.use,
  state: has.state,
  origSrcPort: has.origPorts,
  origDstPort: has.origPorts,
  replySrcPort: has.replyPorts,
  replyDstPort: has.replyPorts,
  origPackets: has.origCounters,
  origBytes: has.origCounters,
  replyPackets: has.replyCounters,
  replyBytes: has.replyCounters,
  start: has.start,
  stop: has.stop,
  tcpWscaleOrig: has.tcpWscale,
  tcpWscaleReply: has.tcpWscale,
  tcpFlagsOrig: has.tcpFlags,
  tcpFlagsReply: has.tcpFlags,
};
