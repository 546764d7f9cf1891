// What every operation of native code has in common over tables in memory: the world that it works on, cells that cancel,
// and the turn of the event loop in which its work is done.
import type { NativeFailure } from '../../errors.js';
import type { CancelCell, RawTrackingReport } from '../../native/binding.js';
import type { Faults } from '../faults.js';
import type { Room } from './create.js';
import type { Entry } from './entry.js';
import type { FlowQueue } from './event-queue.js';
import type { ExpectationQueue } from './expectation-bytes.js';
import type { ExpectationTable } from './expectation-table.js';
import type { FlowTable } from './flow-table.js';
import { errno, refuse } from './refusal.js';
import type { Named } from './tuple.js';

export interface Cell {
  raised: boolean;
}
export const cellAt = (cell: CancelCell) => cell as unknown as Cell;

// Taken at the import: a test may put clocks of its own in the place of the timers.
const nextTurn = setImmediate;
export const turn = () => new Promise<void>((resolve) => nextTurn(resolve));

export type StreamQueue = FlowQueue | ExpectationQueue;

/** What the table is in. */
export interface World {
  readonly table: FlowTable;
  readonly expectations: ExpectationTable;
  readonly room: Room;
  readonly faults: Faults;
  readonly tracking: RawTrackingReport;
  /** The streams that are open. */
  readonly streams: Set<StreamQueue>;
  /** Tells this table from every other. */
  readonly name: string;
}

export const cancelled = (operation: string): NativeFailure => ({
  ...{ errno: 0, kind: 'cancelled', operation },
});

export class MemoryOperations {
  protected readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  /** Does the work in a later turn of the event loop, as native code does, unless it was cancelled until then. */
  async later<T>(operation: string, cell: CancelCell | undefined, work: () => T): Promise<T> {
    await turn();
    if (cell !== undefined && cellAt(cell).raised) throw cancelled(operation);
    this.world.faults.check(operation);
    return this.request(work);
  }

  /** Work that a request of this process wants. */
  protected request<T>(work: () => T): T {
    return this.world.table.by(process.pid, work);
  }

  /** The flow with this tuple, whoever it is. */
  protected find({ protocol, tuple, zone }: Named, operation: string): Entry | undefined {
    if (zone === undefined) refuse(operation, { errno: errno.EINVAL });
    return this.world.table.find(protocol, tuple, zone)?.entry;
  }
}
