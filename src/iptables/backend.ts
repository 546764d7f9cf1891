// Which of the two backends of iptables a host uses: the legacy tables of ip_tables, nf_tables with iptables-nft,
// both, or none. Chooses the backend of an instance, too. No other file does that.
import { otherBackend } from '../errors.js';
import type { Session } from '../native/session.js';
import type { TableBackend } from './edit/backend.js';
import { LegacyBackend } from './legacy/legacy-backend.js';
import { type LegacyTable, lookAtLegacy, tellLegacy } from './legacy/look.js';
import { lookAtNft, type NftTables, tellNft } from './nft/look.js';
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
  /** One sentence for each thing that was found. */
  readonly reasons: readonly string[];
  /** The legacy tables that the namespace has; empty if they cannot be listed. */
  readonly legacy: readonly LegacyTable[];
  /** What nf_tables has. */
  readonly nft: NftTables;
}

/** What the two findings mean. */
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
async function detect(session: Session, family: Family): Promise<BackendReport> {
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
};
type BackendName = keyof typeof backends;

/** The backend that the caller asked for. `auto`: the one that has the rules. */
export type AskedBackend = 'auto' | BackendName;

/**
 * The backend of an instance whose caller asked for `auto`. Refuses if the instance would see none of the rules.
 * Warns if it would not see all of them.
 */
function choose({ backend, reasons, nft }: BackendReport, family: Family): BackendName {
  const tool = toolOf(family);
  if (backend === 'nft') throw otherBackend(`${tool} legacy tables`, reasons);
  if (backend === 'unknown' && nft.tables.some((table) => table.used)) {
    process.emitWarning(
      `${tool}: this network namespace has rules in nf_tables, and it is not known whether it has legacy ones; only the legacy ones are seen here (${reasons.join('; ')})`,
      { code: 'NETFILTER_MIXED_BACKENDS' },
    );
  }
  if (backend === 'mixed') {
    process.emitWarning(
      `${tool}: this network namespace has rules in the legacy tables and in nf_tables; only the legacy ones are seen here (${reasons.join('; ')})`,
      { code: 'NETFILTER_MIXED_BACKENDS' },
    );
  }
  return 'legacy';
}

/** The backend of one instance, chosen at the first use. */
export class BackendChoice {
  readonly #session: Session;
  readonly #family: Family;
  readonly #asked: AskedBackend;
  readonly #made = new Map<BackendName, TableBackend>();
  #looked: Promise<BackendName> | undefined;

  constructor(session: Session, family: Family, asked: AskedBackend) {
    this.#session = session;
    this.#family = family;
    this.#asked = asked;
  }

  report(): Promise<BackendReport> {
    return detect(this.#session, this.#family);
  }

  /** Refuses or warns if this backend does not have all rules. The warning comes once. */
  async chosen(): Promise<TableBackend> {
    return this.#of(this.#asked === 'auto' ? await this.#lookOnce() : this.#asked);
  }

  #of(name: BackendName): TableBackend {
    const made = this.#made.get(name) ?? backends[name](this.#session, this.#family);
    this.#made.set(name, made);
    return made;
  }

  #lookOnce(): Promise<BackendName> {
    this.#looked ??= this.report().then((report) => {
      // The other backend may get rules later. So these two results are not kept.
      if (report.backend === 'nft' || report.backend === 'none') this.#looked = undefined;
      return choose(report, this.#family);
    });
    this.#looked.catch(() => {
      this.#looked = undefined;
    });
    return this.#looked;
  }
}
