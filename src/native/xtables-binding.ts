// The part of the addon's contract that is iptables. Buffers are laid out in native/core:
// xtables/image.h and nftables/snapshot.h for what is read, legacy/plan.h for what is committed.
import type { CancelCell, Handle } from './binding.js';
import type { commitKind, transactionEnd } from './numbers.js';

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
  /** As iptables-nft makes it. */
  iptables: boolean;
  /** Its policy is DROP. */
  drops: boolean;
  rules: number;
}

/** What came of a transaction (native/core/nftables/transaction.h). */
export interface RawTransaction {
  outcome: (typeof transactionEnd)[keyof typeof transactionEnd];
  /** Of a refusal: the index of the script that the step is in. */
  script: number;
  /** Of a refusal: the step, or -1 for the whole. */
  step: number;
  errno: number;
  text: string;
}

export interface RawNft {
  available: boolean;
  tables: string[];
  /** Base chains. */
  chains: RawNftChain[];
}

/** Commits of nf_tables while they happen. */
export type NftChangeStream = { readonly [brand]: 'nf_tables commits' };

/** A commit of nf_tables that touched tables of iptables. */
export interface RawNftCommit {
  /** Commits are missing here. Then nothing else counts. */
  lost: boolean;
  generation: number;
  /** Who made it, as far as the kernel tells. */
  pid?: number;
  name?: string;
  /** One for each table (native/core/nftables/commit_events.h). */
  images: ArrayBuffer[];
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
  /** What nf_tables has of this family; creates nothing. */
  nftLook(handle: Handle, cell: CancelCell, family: number): Promise<RawNft>;
  /** iptables' tables in nf_tables; creates none. */
  nftTables(handle: Handle, cell: CancelCell, family: number): Promise<string[]>;
  /**
   * An image, with what nf_tables adds (native/core/nftables/snapshot.h). `wanted`: only the rules of these chains,
   * unless there are few; undefined: all.
   */
  nftRead(
    handle: Handle,
    cell: CancelCell,
    family: number,
    table: string,
    wanted: { readonly chains: readonly string[]; readonly few: number } | undefined,
  ): Promise<ArrayBuffer>;
  /**
   * A script for each table, all in one transaction. `commit`: false asks the kernel whether it would take every step,
   * and changes nothing.
   */
  nftCommit(
    handle: Handle,
    scripts: readonly Uint8Array[],
    commit: boolean,
  ): Promise<RawTransaction>;
  /** Every later commit that touches one of these tables, until the cell is raised. Unknown tables never do. */
  nftChangesOpen(
    handle: Handle,
    cell: CancelCell,
    family: number,
    tables: readonly string[],
    receiveBuffer: number,
  ): NftChangeStream;
  /** null: the stream has ended, and its socket is closed. A value, not a promise, when one was ready. */
  nftChangesNext(stream: NftChangeStream): RawNftCommit | null | Promise<RawNftCommit | null>;
  nftRevisions(
    handle: Handle,
    family: number,
    queries: readonly { name: string; revision: number; target: boolean }[],
  ): Promise<boolean[]>;
}
