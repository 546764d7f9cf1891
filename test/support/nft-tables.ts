// iptables-nft as the oracle for the rules in nf_tables. For tests under test/kernel only.
import { spawnSync } from 'node:child_process';
import { bytesToText, textToBytes } from '../../src/iptables/text/encoding.js';
import { type Family, tool } from './iptables-tables.js';

function done(
  command: string,
  args: readonly string[],
  input = '',
): { status: number; out: string; err: string } {
  // Bytes, not UTF-8: strings of rules can hold any byte.
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    input: textToBytes(input),
    maxBuffer: 1 << 28,
  });
  if (error) throw error;
  return { status: status ?? -1, out: bytesToText(stdout), err: bytesToText(stderr) };
}

/** `iptables-nft …`; an error if it refuses. */
export function nft(family: Family, ...args: string[]): string {
  const told = done(`${tool(family)}-nft`, args);
  if (told.status !== 0) throw new Error(`${tool(family)}-nft ${args.join(' ')}: ${told.err}`);
  return told.out;
}

/** Why iptables-nft-restore refuses the text, or undefined. */
export function nftRestore(family: Family, text: string, ...args: string[]): string | undefined {
  const told = done(`${tool(family)}-nft-restore`, args, text);
  return told.status === 0 ? undefined : told.err.trim() || `status ${told.status}`;
}

/** The lines of iptables-nft-save without comments. */
export function nftSaved(family: Family, table: string, ...args: string[]): string[] {
  const told = done(`${tool(family)}-nft-save`, ['-t', table, ...args]);
  if (told.status !== 0) throw new Error(told.err);
  return told.out.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** `nft …`: the rules of others. */
export function nftTool(...args: string[]): string {
  const told = done('nft', args);
  if (told.status !== 0) throw new Error(`nft ${args.join(' ')}: ${told.err}`);
  return told.out;
}

/** Removes every table of nf_tables from the namespace. */
export function nftReset(): void {
  nftTool('flush', 'ruleset');
}

/**
 * Appends rules (`CHAIN specification`) with iptables-nft-restore. Returns the indexes of those that it or the kernel
 * refuses.
 */
export function nftAppend(
  family: Family,
  table: string,
  chains: readonly string[],
  rules: readonly string[],
): Set<number> {
  const refused = new Set<number>();
  const add = (from: number, to: number): void => {
    if (from === to) return;
    const head = [`*${table}`, ...chains.map((name) => `:${name} - [0:0]`)];
    const lines = rules.slice(from, to).map((rule) => `-A ${rule}`);
    // A chain that is declared again is emptied. So only the first text declares them.
    const text = [
      ...(from === 0 && refused.size === 0 ? head : head.slice(0, 1)),
      ...lines,
      'COMMIT',
      '',
    ].join('\n');
    if (nftRestore(family, text, '--noflush') === undefined) return;
    if (to - from === 1) {
      refused.add(from);
      return;
    }
    const middle = (from + to) >> 1;
    add(from, middle);
    add(middle, to);
  };
  for (const name of chains) nft(family, '-t', table, '-N', name);
  chains = [];
  for (let from = 0; from < rules.length; from += 256)
    add(from, Math.min(rules.length, from + 256));
  return refused;
}
