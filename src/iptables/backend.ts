// Which of the two backends of iptables a host uses: the legacy tables of ip_tables, nf_tables with iptables-nft,
// both, or none. Chooses the backend of an instance, too. No other file does that.
import type { Session } from '../native/session.js';
import type { TableBackend } from './edit/backend.js';
import { LegacyBackend } from './legacy/legacy-backend.js';
import { type LegacyTable, lookAtLegacy, tellLegacy } from './legacy/look.js';
import { lookAtNft, type NftTables, tellNft } from './nft/look.js';
import { NftBackend } from './nft/nft-backend.js';
import type { Family } from './text/addresses.js';
import { toolOf } from './text/family.js';

/**
 * `mixed`: rules in both, and packets pass both. `none`: rules in neither. `unknown`: this process may not
 * read the list of the legacy tables (a file that only root of the namespace may open).
 */
export type Backend = 'legacy' | 'nft' | 'mixed' | 'none' | 'unknown';

/** What was found, and what follows from it. */
export interface BackendReport {
  /** Where the rules are. */
  readonly backend: Backend;
  /** Which tables the calls of this instance read and change. */
  readonly uses: 'legacy' | 'nft';
  /** One sentence for each thing that was found. */
  readonly reasons: readonly string[];
  /** The legacy tables that the namespace has; empty if they cannot be listed. */
  readonly legacy: readonly LegacyTable[];
  /** What nf_tables has. */
  readonly nft: NftTables;
}

/** The same, without the choice of an instance. */
type Findings = Omit<BackendReport, 'uses'>;

/** @internal What the two findings mean. */
export function judge(legacy: BackendReport['legacy'], nft: BackendReport['nft']): Backend {
  const inLegacy = legacy.some((table) => table.used);
  const inNft = nft.tables.some((table) => table.used);
  if (inLegacy && inNft) return 'mixed';
  if (inLegacy) return 'legacy';
  if (inNft) return 'nft';
  // No backend has rules. The empty tables show which tool was used.
  if (legacy.length > 0 && nft.tables.length === 0) return 'legacy';
  if (nft.tables.length > 0 && legacy.length === 0) return 'nft';
  return 'none';
}

/** Looks, and creates nothing. */
async function detect(session: Session, family: Family): Promise<Findings> {
  const legacy = await lookAtLegacy(session, family);
  const nft = await lookAtNft(session, family);
  return {
    backend: legacy.unlisted === undefined ? judge(legacy.tables, nft) : 'unknown',
    reasons: [tellLegacy(legacy, family), ...tellNft(nft, family)],
    legacy: legacy.tables,
    nft,
  };
}

/** The backends by name. */
const backends = {
  legacy: (session: Session, family: Family): TableBackend => new LegacyBackend(session, family),
  nft: (session: Session, family: Family): TableBackend => new NftBackend(session, family),
};
type BackendName = keyof typeof backends;

/** @internal The backend that the caller asked for. `auto`: the one that has the rules. */
export type AskedBackend = 'auto' | BackendName;

/**
 * The backend of an instance whose caller asked for `auto`: the one that has the rules. If both have some, or none has,
 * it is nf_tables: there the `iptables` of today's distributions puts its rules.
 */
function choose({ backend, nft }: Findings): BackendName {
  if (backend === 'legacy' || backend === 'nft') return backend;
  if (backend === 'unknown') return nft.tables.some((table) => table.used) ? 'nft' : 'legacy';
  return nft.available ? 'nft' : 'legacy';
}

/** Warns if the instance does not see all rules, or if it is not known. */
function warn({ backend, reasons, nft }: Findings, family: Family): void {
  const used = nft.tables.some((table) => table.used);
  if (backend !== 'mixed' && !(backend === 'unknown' && used)) return;
  const others =
    backend === 'mixed'
      ? 'has rules in nf_tables and in the legacy tables'
      : 'has rules in nf_tables, and it is not known whether it has legacy ones';
  process.emitWarning(
    `${toolOf(family)}: this network namespace ${others}. Packets pass both. Only those in nf_tables are seen here; { backend: 'legacy' } sees the others (${reasons.join('; ')})`,
    { code: 'NETFILTER_MIXED_BACKENDS' },
  );
}

/** @internal Tells which backend an instance uses. */
export interface TablesChoice {
  report(): Promise<BackendReport>;
  chosen(): Promise<TableBackend>;
}

/** @internal The backend of one instance, chosen at the first use. */
export class BackendChoice implements TablesChoice {
  readonly #session: Session;
  readonly #family: Family;
  readonly #asked: AskedBackend;
  readonly #made = new Map<BackendName, TableBackend>();
  #looked: Promise<BackendName> | undefined;
  /** Once there were rules, the choice stays. */
  #chosen: BackendName | undefined;

  constructor(session: Session, family: Family, asked: AskedBackend) {
    this.#session = session;
    this.#family = family;
    this.#asked = asked;
  }

  async report(): Promise<BackendReport> {
    const found = await detect(this.#session, this.#family);
    const { backend, ...rest } = found;
    const uses = this.#asked === 'auto' ? (this.#chosen ?? choose(found)) : this.#asked;
    return { backend, uses, ...rest };
  }

  /** Warns if this backend does not have all rules. The warning comes once. */
  async chosen(): Promise<TableBackend> {
    return this.#of(this.#asked === 'auto' ? await this.#lookOnce() : this.#asked);
  }

  #of(name: BackendName): TableBackend {
    const made = this.#made.get(name) ?? backends[name](this.#session, this.#family);
    this.#made.set(name, made);
    return made;
  }

  async #lookOnce(): Promise<BackendName> {
    if (this.#chosen !== undefined) return this.#chosen;
    this.#looked ??= this.#look();
    try {
      return await this.#looked;
    } finally {
      // While there are no rules, every call looks again.
      this.#looked = undefined;
    }
  }

  async #look(): Promise<BackendName> {
    const found = await detect(this.#session, this.#family);
    const name = choose(found);
    if (found.backend !== 'none') {
      warn(found, this.#family);
      this.#chosen = name;
    }
    return name;
  }
}
