// Operations of native code that give flows of a table.
import type { Binding, CancelCell, Handle, RawBatch } from '../../native/binding.js';
import type { Session } from '../../native/session.js';

/** Runs one, and marks its batch with the table: the id of a flow means nothing in another table. */
export async function readFlows<Raw extends { batch?: RawBatch | undefined }>(
  session: Session,
  operation: string,
  signal: AbortSignal | undefined,
  start: (binding: Binding, handle: Handle, cell: CancelCell) => Promise<Raw>,
): Promise<Raw> {
  let table = '';
  const raw = await session.run(operation, signal, (binding, handle, cell) => {
    // It is asked for now, because close() may come before the answer.
    table = session.table(operation);
    return start(binding, handle, cell);
  });
  if (raw.batch !== undefined) raw.batch.table = table;
  return raw;
}
