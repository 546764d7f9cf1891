// Changing and deleting all flows that a filter matches. Native code finds the flows, and reads each again right
// before it touches it.
import { booleanAt, optionsAt, signalAt } from '../../checks.js';
import { badType, fromNative } from '../../errors.js';
import type { Binding, CancelCell, Handle, RawBulk } from '../../native/binding.js';
import type { Session } from '../../native/session.js';
import { filterWords } from '../batch/filter-words.js';
import { FlowBatch } from '../batch/flow-batch.js';
import { readFlows } from '../batch/read-flows.js';
import { checkFilter } from '../filter/check.js';
import type { CheckedFilter, FlowFilter } from '../filter/types.js';
import { FieldPacker } from '../input/field-packer.js';
import { type FlowChange, packChange } from './change.js';

/** How far an operation by filter has come. */
export interface BulkProgress {
  /** Flows deleted, or changed. */
  readonly done: number;
  /** The deleted flows, with `returning`. */
  readonly flows?: FlowBatch;
}

/** Options of operations that change what a filter matches. */
export interface BulkOptions {
  /**
   * Ends the operation early: the flows under way (16 at most) are finished, no other is touched, and the promise
   * rejects with the signal's reason. What was done stays done, and `progress` has said how much.
   */
  signal?: AbortSignal | undefined;
  /** Called once at the end of the operation, also of one that ends early, with what was done. */
  progress?: ((done: BulkProgress) => void) | undefined;
}

/** Options of `deleteWhere`. */
export interface DeleteOptions extends BulkOptions {
  /** Give the deleted flows instead of their number. Default false. */
  returning?: boolean | undefined;
}

const bulkFields = new Set(['signal', 'progress']);
const deleteFields = new Set([...bulkFields, 'returning']);

function bulkOptions(options: unknown): BulkOptions {
  const { signal, progress } = optionsAt(options, 'options', bulkFields);
  if (progress !== undefined && typeof progress !== 'function') {
    throw badType('options.progress', 'a function', progress);
  }
  return {
    signal: signalAt(signal, 'options.signal'),
    progress: progress as BulkOptions['progress'],
  };
}

function refuseEmpty(checked: CheckedFilter, instead: string): void {
  if (checked.empty) {
    throw new TypeError(`filter: is empty and would match the whole table; ${instead}`);
  }
}

/** Runs an operation by filter, and says how far it came before it rejects. */
async function runBulk(
  session: Session,
  operation: string,
  { signal, progress }: BulkOptions,
  start: (binding: Binding, handle: Handle, cell: CancelCell) => Promise<RawBulk>,
): Promise<RawBulk & { flows?: FlowBatch }> {
  const raw = await readFlows(session, operation, signal, start);
  const flows = raw.batch && FlowBatch.fromRaw(raw.batch, raw.stats);
  progress?.({ done: raw.done, ...(flows && { flows }) });
  if (raw.cancelled) throw session.ended({ kind: 'cancelled' }, operation, signal);
  return { ...raw, ...(flows && { flows }) };
}

export async function updateWhere(
  session: Session,
  filter: FlowFilter | 'all',
  change: FlowChange,
  options: unknown,
): Promise<number> {
  const checked = checkFilter(filter === 'all' ? undefined : filter);
  if (filter !== 'all') {
    refuseEmpty(checked, "to change all of it, call updateWhere('all', change)");
  }
  const words = filterWords(checked);
  const packer = new FieldPacker();
  packChange(packer, change, checked.protocols?.length === 1 ? checked.protocols[0]! : undefined);
  const fields = packer.take();
  const done = await runBulk(
    session,
    'conntrack update',
    bulkOptions(options),
    (binding, handle, cell) => binding.ctUpdateWhere(handle, cell, words, fields),
  );
  if (done.refusal !== undefined) {
    const { refusal } = done;
    const detail = `${done.refused} of ${done.refused + done.done} flows${refusal.detail ? `: ${refusal.detail}` : ''}`;
    throw fromNative({ ...refusal, detail });
  }
  return done.done;
}

export async function deleteWhere(
  session: Session,
  filter: FlowFilter,
  options: unknown,
): Promise<number | FlowBatch> {
  const checked = checkFilter(filter);
  refuseEmpty(checked, 'to empty it, call flush()');
  const { returning, ...rest } = optionsAt(options, 'options', deleteFields);
  const wanted = returning === undefined ? false : booleanAt(returning, 'options.returning');
  const words = filterWords(checked);
  const done = await runBulk(
    session,
    'conntrack delete',
    bulkOptions(rest),
    (binding, handle, cell) => binding.ctDeleteWhere(handle, cell, words, wanted),
  );
  return done.flows ?? done.done;
}

/** `given` has the arguments of the call: a filter that is given as `undefined` is refused. */
export async function flush(
  session: Session,
  given: readonly [filter?: FlowFilter, options?: unknown],
): Promise<void> {
  let words: Uint32Array | null = null;
  const [filter, options = {}] = given;
  if (given.length > 0) {
    if (filter === undefined) {
      throw new TypeError('filter: is undefined; to empty the table, call flush()');
    }
    const checked = checkFilter(filter);
    refuseEmpty(checked, 'to empty it, call flush()');
    words = filterWords(checked);
  }
  await runBulk(session, 'conntrack flush', bulkOptions(options), (binding, handle, cell) =>
    binding.ctFlush(handle, cell, words),
  );
}
