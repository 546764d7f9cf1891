// Applies what a commit did to the state of a table, message by message. Finds out whether everything fits together.
// Knows nothing of sockets.
import { nftEventKind } from '../../native/numbers.js';
import type { Counters } from '../rule/head.js';
import { builtinChains } from '../table/builtin-chains.js';
import type { LastCounters } from '../table/differences.js';
import type { Policy } from '../table/reading.js';
import {
  freshChain,
  type KnownChain,
  type KnownForeign,
  KnownRule,
  type TableState,
} from '../table/table-state.js';
import type { CommitEvent, CommitImage } from './commit-image.js';
import { RuleOrder } from './rule-order.js';

export interface Applied {
  readonly state: TableState;
  /** The last counters of the rules that were deleted. */
  readonly counters: LastCounters;
}

/**
 * The table after the commit; `undefined` if the messages do not fit to the state. `read`: the state was read when the
 * commit had just been made, so it may have some of it already.
 */
export function applyCommit(
  state: TableState,
  image: CommitImage,
  read: boolean,
): Applied | undefined {
  const draft = new StateDraft(state, image, read);
  for (const event of image.events) if (!draft.apply(event)) return undefined;
  const after = draft.state();
  return after === undefined ? undefined : { state: after, counters: draft.counters };
}

interface ChainDraft {
  chain: KnownChain;
  /** The rules, once a message was about one of them. */
  order: RuleOrder | undefined;
}

class StateDraft {
  readonly counters: LastCounters = (rule) => this.#counted.get(rule.identity);
  readonly #image: CommitImage;
  readonly #read: boolean;
  readonly #builtin: readonly string[];
  readonly #counted = new Map<object, Readonly<Counters>>();
  #registered: boolean;
  #chains: Map<string, ChainDraft>;
  #foreign: Map<string, KnownForeign>;
  /** The names of chains by their numbers. */
  #names: Map<bigint, string>;

  constructor(state: TableState, image: CommitImage, read: boolean) {
    this.#image = image;
    this.#read = read;
    this.#builtin = builtinChains[image.name] ?? [];
    this.#registered = state.registered;
    this.#chains = new Map();
    this.#names = new Map();
    this.#foreign = new Map(state.foreign);
    for (const [name, chain] of state.chains) {
      this.#chains.set(name, { chain, order: undefined });
      if (chain.handle !== 0n) this.#names.set(chain.handle, name);
    }
    for (const [name, { handle }] of state.foreign) this.#names.set(handle, name);
  }

  state(): TableState | undefined {
    const chains = new Map<string, KnownChain>();
    for (const [name, { chain, order }] of this.#chains) {
      if (order === undefined) {
        chains.set(name, chain);
        continue;
      }
      const rules = order.rules();
      if (rules === undefined) return undefined;
      chains.set(name, { ...chain, rules });
    }
    return { registered: this.#registered, chains, foreign: this.#foreign };
  }

  /** False if the message does not fit. */
  apply(event: CommitEvent): boolean {
    switch (event.kind) {
      case nftEventKind.tableAdded:
        this.#registered = true;
        return true;
      case nftEventKind.tableDeleted:
        return this.#deleteTable();
      case nftEventKind.chainSet:
        return this.#setChain(event);
      case nftEventKind.chainDeleted:
        return this.#deleteChain(event);
      case nftEventKind.ruleAdded:
        return this.#addRule(event);
      default:
        return this.#deleteRule(event);
    }
  }

  #deleteTable(): boolean {
    this.#registered = false;
    this.#foreign = new Map();
    this.#names = new Map();
    this.#chains = new Map(
      this.#builtin.map((name) => [name, { chain: freshChain(name), order: undefined }]),
    );
    return true;
  }

  #setChain(event: CommitEvent): boolean {
    const { chain: name, handle, foreign } = event;
    const was = this.#names.get(handle);
    if (foreign !== undefined) {
      const known = was === undefined ? undefined : this.#foreign.get(was);
      if (was !== name && this.#foreign.has(name)) return false;
      let rules = known?.chain.rules ?? 0;
      if (was !== undefined && known === undefined) {
        const left = this.#leave(was);
        if (left === undefined) return false;
        rules = left;
      }
      if (was !== undefined) this.#foreign.delete(was);
      const chain = Object.freeze({ ...foreign, rules });
      this.#foreign.set(name, { ...known, chain, handle });
      this.#chains.delete(name);
      this.#names.set(handle, name);
      return true;
    }
    const policy: Policy | undefined = this.#builtin.includes(name)
      ? event.drops
        ? 'DROP'
        : 'ACCEPT'
      : undefined;
    const known = this.#chains.get(was ?? name);
    if (was === undefined && known !== undefined && known.chain.handle !== 0n) return false;
    if (known === undefined) {
      if (was !== undefined) return false; // it was a chain of others
      const builtin = policy !== undefined;
      const chain = { name, builtin, policy, handle, identity: {}, rules: [] };
      this.#chains.set(name, { chain, order: undefined });
    } else if (known.chain.name === name) {
      known.chain = { ...known.chain, handle, policy };
    } else {
      if (this.#chains.has(name) || this.#foreign.has(name)) return false;
      this.#chains.delete(known.chain.name);
      this.#chains.set(name, known);
      this.#rename(known.chain.name, name);
      known.chain = { ...known.chain, name };
    }
    this.#names.set(handle, name);
    return true;
  }

  /**
   * A chain has a new name that iptables cannot have. Returns how many rules it has; `undefined` if other
   * rules lead to it: they are other ones now too.
   */
  #leave(name: string): number | undefined {
    const rules = this.#rulesOf(this.#chains.get(name)!);
    for (const each of this.#chains.values()) {
      if (this.#rulesOf(each)?.some((rule) => rule.leadsTo === name) !== false) return undefined;
    }
    this.#chains.delete(name);
    this.#restoreBuiltin(name);
    return rules?.length;
  }

  /** Where a built-in chain is gone, the table has one that nobody has made yet. */
  #restoreBuiltin(name: string): void {
    if (!this.#builtin.includes(name)) return;
    this.#chains.set(name, { chain: freshChain(name), order: undefined });
  }

  #rulesOf({ chain, order }: ChainDraft): readonly KnownRule[] | undefined {
    return order === undefined ? chain.rules : order.rules();
  }

  #rename(was: string, name: string): void {
    for (const each of this.#chains.values()) {
      if (each.order !== undefined) each.order.rename(was, name);
      else if (each.chain.rules.some((rule) => rule.leadsTo === was)) {
        const rules = each.chain.rules.map((rule) =>
          rule.leadsTo === was ? rule.leadingTo(name) : rule,
        );
        each.chain = { ...each.chain, rules };
      }
    }
  }

  #deleteChain({ chain, handle }: CommitEvent): boolean {
    const name = this.#names.get(handle) ?? chain;
    this.#names.delete(handle);
    const isKnown = this.#foreign.delete(name) || this.#chains.delete(name);
    this.#restoreBuiltin(name);
    return isKnown || this.#read;
  }

  #addRule(event: CommitEvent): boolean {
    const { chain, handle, rule } = event;
    if (this.#foreign.has(chain)) return this.#countForeign(chain, 1);
    const order = this.#orderOf(chain);
    if (order === undefined) return false;
    if (order.has(handle)) return this.#read;
    const image = this.#image;
    const target = image.isUnsure(rule) ? image.jumpName(rule) : undefined;
    if (target !== undefined && this.#chains.has(target)) return false;
    order.add(new KnownRule(image, rule, handle), event);
    return true;
  }

  #deleteRule({ chain, handle, rule, hasRule, appends }: CommitEvent): boolean {
    if (this.#foreign.has(chain)) return this.#countForeign(chain, -1);
    const gone = this.#orderOf(chain)?.delete(handle, appends);
    if (gone === undefined) return this.#read;
    if (hasRule) this.#counted.set(gone.identity, this.#image.rules.counters(rule));
    return true;
  }

  #orderOf(name: string): RuleOrder | undefined {
    const draft = this.#chains.get(name);
    if (draft === undefined) return undefined;
    draft.order ??= new RuleOrder(draft.chain.rules);
    return draft.order;
  }

  #countForeign(name: string, by: number): boolean {
    const known = this.#foreign.get(name)!;
    const chain = Object.freeze({ ...known.chain, rules: known.chain.rules + by });
    this.#foreign.set(name, { ...known, chain, rules: {} });
    // A reading has counted its rules, and nobody knows whether this one was among them.
    return !this.#read;
  }
}
