// What iptables-nft has in nf_tables: the tables and chains that look as iptables-nft makes them.
import type { Session } from '../../native/session.js';
import type { RawNft } from '../../native/xtables-binding.js';
import type { BackendTable } from '../table/backend-table.js';
import { builtinChains } from '../table/builtin-chains.js';
import type { Family } from '../text/addresses.js';
import { familyNumber, toolOf } from '../text/family.js';

/** What nf_tables has. */
export interface NftTables {
  /** The kernel has nf_tables. */
  readonly available: boolean;
  /** Tables with chains as iptables-nft makes them. */
  readonly tables: readonly BackendTable[];
  /** Other tables of this family: from the nft tool, firewalld and the like. */
  readonly foreign: readonly string[];
}

function sort(raw: RawNft): NftTables {
  const tables: BackendTable[] = [];
  const foreign: string[] = [];
  for (const table of raw.tables) {
    const chains = raw.chains.filter((chain) => chain.table === table);
    const own = chains.filter((chain) => chain.iptables);
    if (own.length === 0 && !(Object.hasOwn(builtinChains, table) && chains.length === 0)) {
      foreign.push(table);
      continue;
    }
    const rules = own.reduce((sum, chain) => sum + chain.rules, 0);
    tables.push({ table, rules, used: rules > 0 || own.some((chain) => chain.drops) });
  }
  return { available: raw.available, tables, foreign };
}

/** Looks, and creates nothing. */
export async function lookAtNft(session: Session, family: Family): Promise<NftTables> {
  return sort(
    await session.run('nf_tables look', undefined, (binding, handle, cell) =>
      binding.nftLook(handle, cell, familyNumber(family)),
    ),
  );
}

/** What was found, a sentence for each thing. */
export function tellNft({ available, tables, foreign }: NftTables, family: Family): string[] {
  const tool = toolOf(family);
  const reasons: string[] = [];
  if (!available) {
    reasons.push('the kernel has no nf_tables');
  } else if (tables.length > 0) {
    const list = tables.map(({ table, rules }) => `${table} (${rules} rules)`).join(', ');
    reasons.push(`nf_tables tables of ${tool}-nft: ${list}`);
  } else {
    reasons.push(`no nf_tables table of ${tool}-nft`);
  }
  if (foreign.length > 0) {
    reasons.push(`nf_tables tables that are not ${tool}-nft's: ${foreign.join(', ')}`);
  }
  return reasons;
}
