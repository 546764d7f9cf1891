// Tables for tests, in the backend that the run is for: iptables-legacy or iptables-nft as the oracle for the kernel's
// tables, and packets that rules count.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { TableBackend } from '../../src/iptables/edit/backend.js';
import { Iptables } from '../../src/iptables/iptables.js';
import { LegacyBackend } from '../../src/iptables/legacy/legacy-backend.js';
import { NftBackend } from '../../src/iptables/nft/nft-backend.js';
import type { IptablesOptions } from '../../src/iptables/options.js';
import type { Session } from '../../src/native/session.js';
import { backend } from './backend.js';
import {
  commandsTogether,
  here,
  policyTakesCounters,
  takesCounters,
} from './backend-differences.js';
import { run } from './process.js';

export { backend };
export type Family = 'ipv4' | 'ipv6';
export const families: readonly Family[] = ['ipv4', 'ipv6'];

export const tool = (family: Family) => (family === 'ipv6' ? 'ip6tables' : 'iptables');

/** The tables of that backend. */
export function openTables(options: IptablesOptions = {}): Iptables {
  return Iptables.open({ backend, ...options });
}

/** That backend itself, without the class around it. */
export function backendOf(session: Session, family: Family): TableBackend {
  return backend === 'nft' ? new NftBackend(session, family) : new LegacyBackend(session, family);
}

/** The programs of that backend. */
export const command = (family: Family) => `${tool(family)}-${backend}`;
export const restoreCommand = (family: Family) => `${command(family)}-restore`;
export const saveCommand = (family: Family) => `${command(family)}-save`;

/** `iptables …` of that backend. */
export function iptables(family: Family, ...args: string[]): string {
  return run([command(family), ...args]);
}

/** Lines without comments, because these contain the time. */
export const lines = (text: string) => text.split('\n').filter((line) => !line.startsWith('#'));

/** The output of iptables-save, without its comments. */
export function saved(
  family: Family,
  options: { counters?: boolean; table?: string } = {},
): string {
  const args = [saveCommand(family)];
  if (options.counters) args.push('-c');
  if (options.table !== undefined) args.push('-t', options.table);
  return lines(run(args)).join('\n');
}

/**
 * A text of one table for `iptables-restore --noflush`, with a commit after each line where its commands cannot build on
 * each other.
 */
export function forTool(text: string): string {
  if (here(commandsTogether)) return text;
  const [, table] = /^\*(\w+)$/m.exec(text)!;
  return text.replace(/^[^*C\n].*$/gm, `$&\nCOMMIT\n*${table}`);
}

/** A saved table without what iptables-restore of that backend ignores in the text. */
export function comparable(family: Family, saved: string, text: string): string {
  let kept = saved;
  if (!here(takesCounters).includes(family)) kept = kept.replaceAll(/^\[\d+:\d+\] /gm, '');
  if (here(policyTakesCounters)) return kept;
  for (const [line] of text.matchAll(/^.*-P .*$/gm)) {
    const [, chain] = /-P (\S+)/.exec(line)!;
    if (/-c\b|^\[/.test(line))
      kept = kept.replace(new RegExp(`^:${chain} (\\w+) .*$`, 'm'), `:${chain} $1`);
  }
  return kept;
}

/** Loads a table as iptables-restore does. */
export function load(family: Family, text: string, ...args: string[]): void {
  run([restoreCommand(family), ...args], { input: text });
}

/**
 * Loads a table with its counters. Where iptables-restore does not take them, the package does it: it is compared with
 * the tool in the other family.
 */
export async function loadCounted(family: Family, text: string): Promise<void> {
  load(family, text, '-c');
  if (here(takesCounters).includes(family)) return;
  await using ipt = openTables({ family });
  await ipt.restore(text, { counters: true });
}

/** Empties every table of the namespace. */
export function reset(): void {
  if (backend === 'nft') {
    // After a commit that it refused, the kernel checks the whole table again for each new rule, until something is
    // committed. So this commits something also if there is nothing to flush.
    run(['nft', '-f', '-'], {
      input: 'add table ip brief\ndelete table ip brief\nflush ruleset\n',
    });
    return;
  }
  for (const family of families) {
    const names = run(['cat', `/proc/net/${family === 'ipv6' ? 'ip6' : 'ip'}_tables_names`]);
    for (const table of names.split('\n').filter(Boolean)) {
      const chains = /^:(\S+) ACCEPT|^:(\S+) DROP/gm;
      const builtin = [...saved(family, { table }).matchAll(chains)].map((m) => m[1] ?? m[2]);
      load(
        family,
        `*${table}\n${builtin.map((name) => `:${name} ACCEPT [0:0]\n`).join('')}COMMIT\n`,
      );
    }
  }
}

/** A table for edits: chain `one` with four rules, and chain `two`. */
export const twoChains = `*filter
:one - [0:0]
:two - [0:0]
-A INPUT -p tcp -j one
-A INPUT -p udp -j two
-A one -p tcp --dport 1 -j ACCEPT
-A one -p tcp --dport 2 -j ACCEPT
-A one -p tcp --dport 3 -j ACCEPT
-A one -p tcp --dport 4 -j ACCEPT
-A two -j RETURN
COMMIT
`;

const loopback = { ipv4: '127.0.0.1', ipv6: '::1' };

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Sends datagrams over the loopback. Resolves when all have passed the rules. */
export async function packets(family: Family, count: number, port = 9): Promise<void> {
  const socket = createSocket(family === 'ipv6' ? 'udp6' : 'udp4');
  socket.bind(0, loopback[family]);
  await once(socket, 'listening');
  try {
    // The loopback delivers inside the system call that sends.
    for (let i = 0; i < count; i++) {
      await new Promise<void>((resolve, reject) => {
        socket.send('x', port, loopback[family], (error) => (error ? reject(error) : resolve()));
      });
      // Sending does not let the event loop turn, so other work would wait too long.
      if (i % 8 === 7) await turn();
    }
  } finally {
    socket.close();
    await once(socket, 'close');
  }
  await turn();
}
