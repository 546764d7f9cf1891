// What is asked of nf_tables through native code, for both families. Decides nothing.
import type { Session } from '../../native/session.js';
import type { RawTransaction } from '../../native/xtables-binding.js';
import type { TableName } from '../table/reading.js';
import type { Family } from '../text/addresses.js';
import { familyNumber, toolOf } from '../text/family.js';
import { type Probe, probeWith } from '../xtables/revisions.js';
import { NftImage } from './image.js';

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

  async read(family: Family, table: TableName, signal?: AbortSignal): Promise<NftImage> {
    const operation = `${toolOf(family)} read ${table}`;
    const buffer = await this.session.run(operation, signal, (binding, handle, cell) =>
      binding.nftRead(handle, cell, familyNumber(family), table),
    );
    return new NftImage(buffer);
  }

  /** Sends scripts as one transaction. `send`: false only checks whether they can be written. */
  transaction(
    operation: string,
    scripts: readonly Uint8Array[],
    send: boolean,
  ): Promise<RawTransaction> {
    return this.session.run(operation, undefined, (binding, handle) =>
      binding.nftCommit(handle, scripts, send),
    );
  }

  probe(family: Family): Probe {
    return probeWith(this.session, (binding, handle, queries) =>
      binding.nftRevisions(handle, familyNumber(family), queries),
    );
  }
}
