// Which of the two backends of iptables a host uses: the legacy tables of ip_tables, nf_tables by way
// of iptables-nft, both, or none. Only looks.
import type { Family } from '../constants.js';
import { NetfilterError, otherBackend } from '../errors.js';
import type { Session } from '../native/session.js';
import type { RawNft, RawNftChain } from '../native/xtables-binding.js';
import type { TableBackend } from './edit/backend.js';
import { familyNumber, toolOf } from './legacy/family.js';
import { LegacyBackend } from './legacy/legacy-backend.js';

/**
 * `mixed`: rules in both, and packets pass both. `none`: rules in neither. `unknown`: this process may not
 * read the list of the legacy tables (a file that only root of the namespace may open).
 */
export type Backend = 'legacy' | 'nft' | 'mixed' | 'none' | 'unknown';

/** What was found, and what follows from it. */
export interface BackendReport {
  backend: Backend;
  /** One sentence for each thing that was found. */
  reasons: string[];
  /** The legacy tables that the namespace has; empty where they cannot be listed. */
  legacy: { table: string; rules: number; chains: number; used: boolean }[];
  nft: {
    /** The kernel has nf_tables. */
    available: boolean;
    /** Tables with chains as iptables-nft makes them. */
    tables: { table: string; rules: number; used: boolean }[];
    /** Other tables of this family: of the nft tool, firewalld and the like. */
    foreign: string[];
  };
}

// What iptables-nft makes (nft.c, xtables_ipv4): chain → hook number; priorities as it and older
// releases have them.
const hooks: Record<string, number> = {
  PREROUTING: 0,
  INPUT: 1,
  FORWARD: 2,
  OUTPUT: 3,
  POSTROUTING: 4,
};
const priorities: Record<string, (hook: string) => readonly number[]> = {
  raw: () => [-300],
  mangle: () => [-150],
  nat: (hook) => (hook === 'PREROUTING' || hook === 'OUTPUT' ? [-100] : [100]),
  filter: () => [0],
  security: () => [50, 150],
};

function isIptablesChain({ table, name, hook, priority }: RawNftChain): boolean {
  return hooks[name] === hook && (priorities[table]?.(name).includes(priority) ?? false);
}

function readNft(raw: RawNft): BackendReport['nft'] {
  const tables: BackendReport['nft']['tables'] = [];
  const foreign: string[] = [];
  for (const table of raw.tables) {
    const chains = raw.chains.filter((chain) => chain.table === table);
    const own = chains.filter(isIptablesChain);
    if (own.length === 0 && !(table in priorities && chains.length === 0)) {
      foreign.push(table);
      continue;
    }
    const rules = own.reduce((sum, chain) => sum + chain.rules, 0);
    tables.push({ table, rules, used: rules > 0 || own.some((chain) => chain.drops) });
  }
  return { available: raw.available, tables, foreign };
}

/** What the two findings mean. */
export function judge(legacy: BackendReport['legacy'], nft: BackendReport['nft']): Backend {
  const inLegacy = legacy.some((table) => table.used);
  const inNft = nft.tables.some((table) => table.used);
  if (inLegacy && inNft) return 'mixed';
  if (inLegacy) return 'legacy';
  if (inNft) return 'nft';
  // Nobody has rules: whose empty tables there are tells which tool was used.
  if (legacy.length > 0 && nft.tables.length === 0) return 'legacy';
  if (nft.tables.length > 0 && legacy.length === 0) return 'nft';
  return 'none';
}

/** Looks. Makes nothing. */
async function detect(session: Session, family: Family): Promise<BackendReport> {
  const tool = toolOf(family);
  const tables = new LegacyBackend(session, family);
  const number = familyNumber(family);
  let unlisted: string | undefined;
  const names = await tables.tables().catch((error: unknown) => {
    if (!(error instanceof NetfilterError) || error.code !== 'EACCES') throw error;
    unlisted = error.detail ?? 'the list';
    return [];
  });
  const legacy: BackendReport['legacy'] = [];
  for (const table of names) {
    const { chains, ruleCount } = await tables.read(table);
    const used =
      ruleCount > 0 || chains.some(({ builtin, policy }) => !builtin || policy === 'DROP');
    legacy.push({ table, rules: ruleCount, chains: chains.length, used });
  }
  const nft = readNft(
    await session.run('nf_tables look', undefined, (binding, handle) =>
      binding.xtNft(handle, number),
    ),
  );
  const reasons: string[] = [];
  const list = (tables: { table: string; rules: number }[]) =>
    tables.map(({ table, rules }) => `${table} (${rules} rules)`).join(', ');
  reasons.push(
    unlisted !== undefined
      ? `the legacy ${tool} tables cannot be listed: ${unlisted} is open to root of the namespace only`
      : legacy.length > 0
        ? `legacy ${tool} tables: ${list(legacy)}`
        : `no legacy ${tool} table is registered in this network namespace`,
  );
  reasons.push(
    !nft.available
      ? 'the kernel has no nf_tables'
      : nft.tables.length > 0
        ? `nf_tables tables of ${tool}-nft: ${list(nft.tables)}`
        : `no nf_tables table of ${tool}-nft`,
  );
  if (nft.foreign.length > 0) {
    reasons.push(`nf_tables tables that are not ${tool}-nft's: ${nft.foreign.join(', ')}`);
  }
  return { backend: unlisted === undefined ? judge(legacy, nft) : 'unknown', reasons, legacy, nft };
}

/**
 * Called before legacy tables are read or changed by an instance that was not told which backend to
 * use. Refuses where all rules are elsewhere; warns where some are.
 */
function requireLegacy({ backend, reasons, nft }: BackendReport, family: Family): void {
  const tool = toolOf(family);
  if (backend === 'nft') throw otherBackend(`${tool} legacy tables`, reasons);
  if (backend === 'unknown' && nft.tables.some((table) => table.used)) {
    process.emitWarning(
      `${tool}: this network namespace has rules in nf_tables, and whether it has legacy ones cannot be told; only legacy ones are seen here (${reasons.join('; ')})`,
      { code: 'NETFILTER_MIXED_BACKENDS' },
    );
  }
  if (backend === 'mixed') {
    process.emitWarning(
      `${tool}: this network namespace has rules in the legacy tables and in nf_tables; only the legacy ones are seen here (${reasons.join('; ')})`,
      { code: 'NETFILTER_MIXED_BACKENDS' },
    );
  }
}

/** The backend of one instance: chosen when it is first needed. */
export class BackendChoice {
  readonly #session: Session;
  readonly #family: Family;
  readonly #asked: 'auto' | 'legacy';
  readonly #legacy: TableBackend;
  #looked: Promise<void> | undefined;

  constructor(session: Session, family: Family, asked: 'auto' | 'legacy') {
    this.#session = session;
    this.#family = family;
    this.#asked = asked;
    this.#legacy = new LegacyBackend(session, family);
  }

  report(): Promise<BackendReport> {
    return detect(this.#session, this.#family);
  }

  /** Refuses or warns, once, where the legacy tables are not the whole truth. */
  async chosen(): Promise<TableBackend> {
    if (this.#asked === 'auto') await this.#lookOnce();
    return this.#legacy;
  }

  #lookOnce(): Promise<void> {
    this.#looked ??= this.report().then((report) => {
      // Rules may come to one side or the other later: only what is settled is kept.
      if (report.backend === 'nft' || report.backend === 'none') this.#looked = undefined;
      requireLegacy(report, this.#family);
    });
    this.#looked.catch(() => {
      this.#looked = undefined;
    });
    return this.#looked;
  }
}
