// The changes of tables that have no events: reads them again and again, and compares.
import type { LinkedSignal } from '../../linked-signal.js';
import type { Family } from '../text/addresses.js';
import { pause } from '../text/pauses.js';
import type { TableChange } from './change.js';
import { differences } from './differences.js';
import type { TableName } from './reading.js';
import { stateOf, type TableState, withoutTable } from './table-state.js';
import type { TableReader } from './watch.js';

interface Seen {
  readonly fingerprint: string | undefined;
  readonly state: TableState;
}

/** The changes, after one `undefined` when every later change will be seen. Ends when the signal aborts. */
export async function* pollChanges(
  reader: TableReader,
  family: Family,
  options: { readonly tables: readonly TableName[] | undefined; readonly interval: number },
  { signal }: LinkedSignal,
): AsyncGenerator<TableChange | undefined, void, undefined> {
  const seen = new Map<string, Seen>();
  const read = async (table: TableName): Promise<Seen> => {
    const reading = await reader.read(table, signal);
    const { fingerprint, registered } = reading;
    const known = seen.get(table);
    const isSame = known?.fingerprint === fingerprint && known.state.registered === registered;
    return isSame ? known : { fingerprint, state: stateOf(reading) };
  };
  try {
    for (const table of options.tables ?? (await reader.tables())) {
      seen.set(table, await read(table));
    }
    yield undefined;
    for (;;) {
      await pause(options.interval, signal);
      if (signal.aborted) return;
      const present = options.tables ?? (await reader.tables());
      for (const table of new Set([...present, ...seen.keys()])) {
        const before = seen.get(table);
        const now = present.includes(table)
          ? await read(table)
          : { fingerprint: undefined, state: withoutTable(before!.state) };
        if (before === now) continue;
        seen.set(table, now);
        const found = differences(before?.state ?? withoutTable(now.state), now.state);
        if (found.length === 0) continue;
        const unknown = { generation: undefined, process: undefined, lost: true };
        yield { family, table, differences: found, ...unknown, time: new Date() };
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
