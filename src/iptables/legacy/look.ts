// What the legacy tables of a network namespace hold, as far as the choice of a backend needs it.
import { NetfilterError } from '../../errors.js';
import type { Session } from '../../native/session.js';
import type { BackendTable } from '../table/backend-table.js';
import type { Family } from '../text/addresses.js';
import { familyNumber, toolOf } from '../text/family.js';

/** A legacy table. */
export interface LegacyTable extends BackendTable {
  /** How many chains it has, the built-in ones included. */
  readonly chains: number;
}

export interface LegacyLook {
  readonly tables: readonly LegacyTable[];
  /** The file with the list of tables, if this process may not read it. Then no table was looked at. */
  readonly unlisted: string | undefined;
}

/** Looks at the tables that exist. Creates none, and loads no module. */
export async function lookAtLegacy(session: Session, family: Family): Promise<LegacyLook> {
  try {
    const tables = await session.run(
      `${toolOf(family)} tables`,
      undefined,
      (binding, handle, cell) => binding.xtLook(handle, cell, familyNumber(family)),
    );
    return {
      tables: tables.map(({ table, rules, chains, ownChains, drops }) => {
        return { table, rules, chains, used: rules > 0 || ownChains || drops };
      }),
      unlisted: undefined,
    };
  } catch (error) {
    if (!(error instanceof NetfilterError) || error.code !== 'EACCES') throw error;
    return { tables: [], unlisted: error.detail ?? 'the list' };
  }
}

/** What was found, as a sentence. */
export function tellLegacy({ tables, unlisted }: LegacyLook, family: Family): string {
  const tool = toolOf(family);
  if (unlisted !== undefined) {
    return `the legacy ${tool} tables cannot be listed: ${unlisted} is open to root of the namespace only`;
  }
  if (tables.length === 0) {
    return `no legacy ${tool} table is registered in this network namespace`;
  }
  return `legacy ${tool} tables: ${tables.map(({ table, rules }) => `${table} (${rules} rules)`).join(', ')}`;
}
