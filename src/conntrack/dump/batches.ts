// A dump in batches: a native thread reads ahead a little, and waits while the caller is busy.
import type { DumpStream } from '../../native/binding.js';
import type { Session } from '../../native/session.js';
import { FlowBatch } from '../batch/flow-batch.js';
import { checkFilter } from '../filter/check.js';
import { batchesOptions } from './options.js';
import { zeroed } from './zeroing.js';

const operation = 'conntrack dump';

export async function* dumpBatches(
  session: Session,
  filter: unknown,
  options: unknown,
): AsyncGenerator<FlowBatch, void, undefined> {
  const checked = checkFilter(filter);
  const { raw, signal, size } = batchesOptions(checked, options);
  signal?.throwIfAborted();
  const { binding, handle, cell } = session.begin(operation);
  const abort = () => binding.cancel(cell);
  const table = session.table(operation);
  let stream: DumpStream | undefined;
  let pending: ReturnType<typeof binding.ctDumpNext> | undefined;
  let forget = () => {};
  // Ends the thread, and settles when its descriptors are closed.
  const end = async (target: DumpStream) => {
    binding.cancel(cell);
    try {
      pending ??= binding.ctDumpNext(target);
      await pending;
    } catch {
      // It has ended, or there is no memory to wait for that.
    }
  };
  try {
    stream = binding.ctDumpStream(handle, cell, raw, size);
    const stopListening = () => signal?.removeEventListener('abort', abort);
    const disown = session.ownWeakly(stream, end, stopListening);
    signal?.addEventListener('abort', abort, { once: true });
    forget = () => {
      stopListening();
      disown();
    };
    for (;;) {
      pending = binding.ctDumpNext(stream);
      const next = await pending;
      pending = undefined;
      if (next === null) return;
      next.batch.table = table;
      if (raw.zeroCounters) {
        // An abort comes after them: they have the counts that are zero now.
        for (const batch of await zeroed(session, next, checked)) yield batch;
      } else {
        yield FlowBatch.fromRaw(next.batch, next.stats);
      }
      session.checkOpen(operation);
      signal?.throwIfAborted();
    }
  } catch (thrown) {
    throw session.ended(thrown, operation, signal);
  } finally {
    forget();
    if (stream !== undefined) await end(stream);
  }
}
