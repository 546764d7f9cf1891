// The part of the addon's contract that is iptables. Buffers are laid out in native/core/legacy:
// snapshot.h for what is read, plan.h for what is committed.
import type { CancelCell, Handle } from './binding.js';
import type { commitKind } from './numbers.js';

declare const brand: unique symbol;
/** The xtables lock, held until `xtUnlock` or until the value is collected. */
export type HeldLock = { readonly [brand]: 'xtables lock' };

export interface RawCommit {
  outcome: (typeof commitKind)[keyof typeof commitKind];
}

export interface RawLegacyTable {
  table: string;
  /** Without policies. */
  rules: number;
  chains: number;
  /** It has chains that are not built in. */
  ownChains: boolean;
  /** A policy is DROP. */
  drops: boolean;
}

export interface RawNftChain {
  table: string;
  name: string;
  hook: number;
  priority: number;
  drops: boolean;
  rules: number;
}

export interface RawNft {
  available: boolean;
  tables: string[];
  /** Base chains. */
  chains: RawNftChain[];
}

/** `family` is AF_INET or AF_INET6. */
export interface XtablesBinding {
  /** Tables that the namespace has; creates none. */
  xtTables(handle: Handle, family: number): Promise<string[]>;
  /** A snapshot; of a table that is not there yet, what a new one would hold. */
  xtRead(handle: Handle, family: number, table: string): Promise<ArrayBuffer>;
  /** `base`: the snapshot that the plan was made on. Both are copied. */
  xtCommit(handle: Handle, plan: Uint8Array, base: Uint8Array): Promise<RawCommit>;
  /** `timeout` in milliseconds; negative: none. */
  xtLock(cell: CancelCell, path: string, timeout: number): Promise<HeldLock>;
  xtUnlock(lock: HeldLock): void;
  xtSets(
    handle: Handle,
    names: readonly string[],
  ): Promise<({ index: number; family: number } | null)[]>;
  xtRevisions(
    handle: Handle,
    family: number,
    queries: readonly { name: string; revision: number; target: boolean }[],
  ): Promise<boolean[]>;
  /** What the tables that the namespace has hold; creates none, loads nothing. */
  xtLook(handle: Handle, cell: CancelCell, family: number): Promise<RawLegacyTable[]>;
  xtNft(handle: Handle, cell: CancelCell, family: number): Promise<RawNft>;
}
