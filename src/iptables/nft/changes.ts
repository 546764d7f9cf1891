// The changes of tables in nf_tables, commit by commit. Listens first, then reads the tables once, then applies what it
// hears. Where that cannot be done it reads again, and says so.
import { NetfilterError } from '../../errors.js';
import type { LinkedSignal } from '../../linked-signal.js';
import type { Session } from '../../native/session.js';
import { builtinChains } from '../table/builtin-chains.js';
import type { TableChange } from '../table/change.js';
import { differences } from '../table/differences.js';

import type { TableName } from '../table/reading.js';
import { stateOf, type TableState } from '../table/table-state.js';
import type { Family } from '../text/addresses.js';
import { familyNumber, toolOf } from '../text/family.js';
import { pause } from '../text/pauses.js';
import { applyCommit } from './apply-commit.js';
import { CommitImage } from './commit-image.js';
import { CommitSource } from './commit-source.js';
import type { NftImage } from './image.js';

/** Milliseconds until a table is read again that changed all the time. */
const nextTry = 10;

interface Followed {
  state: TableState;
  /** The number of the last commit that the state has. */
  generation: number;
  /** The state was read: it may have only a part of that commit. */
  wasRead: boolean;
}

/** What the changes are read with. */
export interface NftTablesToFollow {
  readonly session: Session;
  readonly family: Family;
  readonly read: (table: TableName, signal: AbortSignal) => Promise<NftImage>;
}

/** The numbers of commits go round. */
const isBefore = (a: number, b: number) => ((a - b) | 0) < 0;

/** The changes, after one `undefined` when every later commit will be seen. Ends when the signal aborts. */
export async function* followNft(
  { session, family, read }: NftTablesToFollow,
  options: { readonly tables: readonly TableName[] | undefined; readonly receiveBuffer: number },
  ending: LinkedSignal,
): AsyncGenerator<TableChange | undefined, void, undefined> {
  const { signal } = ending;
  const names = [...new Set(options.tables ?? Object.keys(builtinChains))];
  const operation = `${toolOf(family)} changes`;
  const commits = new CommitSource(session, operation, ending);
  const followed = new Map<string, Followed>();
  const readNow = async (table: TableName): Promise<Followed> => {
    const image = await readSteady(() => read(table, signal), signal);
    return { state: stateOf(image, image), generation: image.generation, wasRead: true };
  };
  /** Reads a table again, and tells what differs. */
  async function* compare(table: TableName): AsyncGenerator<TableChange> {
    const now = await readNow(table);
    const found = differences(followed.get(table)!.state, now.state);
    followed.set(table, now);
    if (found.length === 0) return;
    const unknown = { generation: undefined, process: undefined, lost: true };
    yield { family, table, differences: found, ...unknown, time: new Date() };
  }
  try {
    commits.open(familyNumber(family), names, options.receiveBuffer);
    for (const name of names) followed.set(name, await readNow(name));
    yield undefined;
    for (;;) {
      const commit = await commits.next();
      if (commit === null) return;
      if (commit.lost) for (const name of names) yield* compare(name);
      for (const buffer of commit.images) {
        const image = new CommitImage(buffer);
        const table = followed.get(image.name)!;
        const { generation } = commit;
        if (isBefore(generation, table.generation)) continue;
        if (generation === table.generation && !table.wasRead) continue;
        const applied = applyCommit(table.state, image, generation === table.generation);
        if (applied === undefined) {
          yield* compare(image.name);
          continue;
        }
        const found = differences(table.state, applied.state, applied.counters);
        followed.set(image.name, { state: applied.state, generation, wasRead: false });
        if (found.length === 0) continue;
        const { pid, name } = commit;
        const process =
          pid === undefined || name === undefined ? undefined : Object.freeze({ pid, name });
        const known = { generation, process, lost: false };
        yield { family, table: image.name, differences: found, ...known, time: new Date() };
      }
    }
  } catch (thrown) {
    if (signal.aborted) return;
    throw session.ended(thrown, operation, signal);
  } finally {
    await commits.close();
  }
}

/** Reads a table, again and again while it changes all the time. */
async function readSteady(read: () => Promise<NftImage>, signal: AbortSignal): Promise<NftImage> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof NetfilterError) || error.code !== 'EAGAIN') throw error;
    }
    await pause(nextTry, signal);
    signal.throwIfAborted();
  }
}
