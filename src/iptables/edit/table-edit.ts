// What a caller does to a table inside `edit`. chain-edit.ts does the same for chains, state.ts holds the result.
// Knows no system call.
import type { Family } from '../../constants.js';
import { TableError, type TableErrorCode } from '../../errors.js';
import { registry } from '../extensions/index.js';
import { checkChainName } from '../rule/check.js';
import type { TableName, TableReading } from '../table/reading.js';
import { ChainEdit } from './chain-edit.js';
import type { ChainState } from './change.js';
import { EditState } from './state.js';

/**
 * A table inside `edit`. It can be used until the function of the caller returns. After that everything but its name
 * and family throws a TypeError.
 */
export class TableEdit {
  readonly #state: EditState;
  readonly #chains = new Map<ChainState, ChainEdit>();

  /** @internal */
  constructor(state: EditState) {
    this.#state = state;
  }

  /** The name of the table. */
  get name(): TableName {
    return this.#state.base.name;
  }
  /** The family whose packets pass it. */
  get family(): Family {
    return this.#state.base.family;
  }
  /** Names of all chains as they are now. */
  get chains(): readonly string[] {
    this.#check();
    return [...this.#state.chains.keys()];
  }
  /** Whether there is a chain of this name now. */
  has(name: string): boolean {
    this.#check();
    return this.#state.chains.has(name);
  }
  /**
   * The chain with this name.
   * @throws {TableError} `ERR_NETFILTER_NO_CHAIN`
   */
  chain(name: string): ChainEdit {
    this.#check();
    return this.#edit(this.#state.chain(name));
  }

  /**
   * Makes a chain, as `iptables -N` does.
   * @throws {TableError} `ERR_NETFILTER_CHAIN_EXISTS` for a name that is taken, `ERR_NETFILTER_CHAIN_NAME` for one
   *   that is longer than 28 bytes or not allowed for a chain
   */
  newChain(name: string): ChainEdit {
    this.#check();
    this.#checkNew(name);
    return this.#edit(this.#state.addChain(name));
  }

  /**
   * Renames a chain and redirects the rules that jump to it. Counters stay.
   * @throws {TableError} `ERR_NETFILTER_NO_CHAIN`, `ERR_NETFILTER_CHAIN_BUILTIN`, and those of `newChain`
   */
  renameChain(name: string, to: string): ChainEdit {
    this.#check();
    const chain = this.#userChain(name);
    this.#checkNew(to);
    this.#state.renameChain(chain, to);
    return this.#edit(chain);
  }

  /**
   * Deletes a chain, as `iptables -X NAME` does: it must be empty, and no rule may jump to it.
   * @throws {TableError} `ERR_NETFILTER_NO_CHAIN`, `ERR_NETFILTER_CHAIN_BUILTIN`,
   *   `ERR_NETFILTER_CHAIN_NOT_EMPTY`, `ERR_NETFILTER_CHAIN_REFERENCED`
   */
  deleteChain(name: string): void {
    this.#check();
    const chain = this.#userChain(name);
    if (chain.was !== undefined) this.#state.needAll();
    const length = this.#state.length(chain);
    if (length > 0)
      throw not('CHAIN_NOT_EMPTY', name, `it still has rules (${length}): flush() it first`);
    const references = this.#state.references.get(name) ?? 0;
    if (references > 0) throw not('CHAIN_REFERENCED', name, `${references} rules still jump to it`);
    this.#state.removeChain(name);
  }

  /** Deletes all rules, and all chains that are not built in. Policies stay. */
  clear(): void {
    this.#check();
    this.#state.needAll();
    for (const chain of this.#state.chains.values()) this.#edit(chain).flush();
    for (const [name, chain] of this.#state.chains) {
      if (!chain.builtin) this.#state.removeChain(name);
    }
  }

  /** Sets all counters to zero, those of the policies too. */
  zero(): void {
    this.#check();
    this.#state.needAll();
    for (const chain of this.#state.chains.values()) this.#edit(chain).zero();
  }

  #edit(chain: ChainState): ChainEdit {
    let edit = this.#chains.get(chain);
    if (edit === undefined) {
      edit = new ChainEdit(this.#state, chain);
      this.#chains.set(chain, edit);
    }
    return edit;
  }

  #userChain(name: string): ChainState {
    const chain = this.#state.chain(name);
    if (chain.builtin) throw not('CHAIN_BUILTIN', name, 'it is built in');
    return chain;
  }

  #checkNew(name: string): void {
    try {
      checkChainName(name, 'chain');
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new TableError('ERR_NETFILTER_CHAIN_NAME', error.message);
    }
    if (this.#state.chains.has(name)) {
      throw not('CHAIN_EXISTS', name, `table ${this.name} has a chain of that name`);
    }
    if (['ACCEPT', 'DROP', 'QUEUE', 'RETURN'].includes(name)) {
      throw not('CHAIN_NAME', name, 'it is a verdict');
    }
    if (registry.has(this.family, 'target', name)) {
      throw not('CHAIN_NAME', name, 'it is a target, no chain can have its name');
    }
  }

  #check(): void {
    this.#state.checkOpen();
  }

  /** @internal */
  close(): void {
    this.#state.open = false;
  }
}

type Short<C> = C extends `ERR_NETFILTER_${infer S}` ? S : never;

function not(code: Short<TableErrorCode>, name: string, reason: string): TableError {
  return new TableError(`ERR_NETFILTER_${code}`, `chain ${name}: ${reason}`);
}

/** The first state of an edit, and the object for the caller. */
export function beginEdit(base: TableReading): { state: EditState; edit: TableEdit } {
  const state = new EditState(base);
  return { state, edit: new TableEdit(state) };
}
