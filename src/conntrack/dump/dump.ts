// A dump in one batch.
import { list } from '../../native/numbers.js';
import type { Session } from '../../native/session.js';
import { FlowBatch } from '../batch/flow-batch.js';
import { readFlows } from '../batch/read-flows.js';
import { checkFilter } from '../filter/check.js';
import { readHooks } from '../host/tracking.js';
import { dumpOptions } from './options.js';

export async function dump(
  session: Session,
  filter: unknown,
  options: unknown,
): Promise<FlowBatch> {
  const checked = checkFilter(filter);
  const { raw, signal } = dumpOptions(checked, options);
  const { batch, stats, split } = await readFlows(
    session,
    'conntrack dump',
    signal,
    (binding, handle, cell) => binding.ctDump(handle, cell, raw),
  );
  if (batch.rows > 0 || !checked.empty || raw.list !== list.conntrack) {
    return FlowBatch.fromRaw(batch, stats, split);
  }
  const { tracking } = await readHooks(session);
  return FlowBatch.fromRaw(batch, stats, split, tracking);
}
