// What is asked of nf_tables through native code, for both families. Decides nothing.
import type { Session } from '../../native/session.js';
import type { RawTransaction } from '../../native/xtables-binding.js';
import type { TableName, Wanted } from '../table/reading.js';
import type { Family } from '../text/addresses.js';
import { familyNumber, toolOf } from '../text/family.js';
import { type Probe, probeWith } from '../xtables/revisions.js';
import { NftImage } from './image.js';

/**
 * A table with no more rules and jumps than this is always read as a whole: that costs some milliseconds, and so an edit
 * does not call its function twice.
 */
const fewRules = 500;

export class NftKernel {
  readonly session: Session;

  constructor(session: Session) {
    this.session = session;
  }

  /** Names of iptables' tables. */
  tables(family: Family): Promise<TableName[]> {
    return this.session.run(`${toolOf(family)} tables`, undefined, (binding, handle, cell) =>
      binding.nftTables(handle, cell, familyNumber(family)),
    );
  }

  async read(
    family: Family,
    table: TableName,
    signal?: AbortSignal,
    wanted: Wanted = 'all',
  ): Promise<NftImage> {
    const operation = `${toolOf(family)} read ${table}`;
    const chains = wanted === 'all' ? undefined : { chains: [...wanted], few: fewRules };
    const buffer = await this.session.run(operation, signal, (binding, handle, cell) =>
      binding.nftRead(handle, cell, familyNumber(family), table, chains),
    );
    return new NftImage(buffer, wanted);
  }

  /** Sends scripts as one transaction. `commit`: false only asks whether the kernel would take them. */
  transaction(
    operation: string,
    scripts: readonly Uint8Array[],
    commit: boolean,
  ): Promise<RawTransaction> {
    return this.session.run(operation, undefined, (binding, handle) =>
      binding.nftCommit(handle, scripts, commit),
    );
  }

  probe(family: Family): Probe {
    return probeWith(this.session, (binding, handle, queries) =>
      binding.nftRevisions(handle, familyNumber(family), queries),
    );
  }
}
