// Rules in nf_tables: written by our own code (native/test/nft_write_program.cc, under sanitizers), written by
// iptables-nft, and compared as the kernel dumps them. For tests under test/kernel only.
import { spawnSync } from 'node:child_process';
import { hex } from '../../src/iptables/rule/print.js';
import type { Family } from '../../src/iptables/rule/rule.js';
import { bytesToText, textToBytes } from '../../src/iptables/text/encoding.js';
import { sanitizedProgram } from './c-program.js';
import { tool } from './iptables-tables.js';
import type { Netns } from './netns.js';

const program = () =>
  sanitizedProgram('nft_write_program', [
    'cancel.cc',
    'netlink/dump.cc',
    'netlink/exchange.cc',
    'netlink/requesters.cc',
    'netlink/socket.cc',
    'netlink/trace.cc',
    'netlink/walk.cc',
    'nftables/batch.cc',
    'nftables/batch_messages.cc',
    'nftables/expression_writer.cc',
    'nftables/write_head.cc',
    'nftables/write_match.cc',
    'nftables/write_rule.cc',
    'xtables/entry.cc',
  ]);

export interface Done {
  status: number;
  out: string;
  err: string;
}

/** A rule as the kernel dumps it. */
export interface DumpedRule {
  handle: string;
  /** The attributes in NFTA_RULE_EXPRESSIONS. */
  expressions: string;
}

/** One table of iptables in nf_tables, in one namespace. */
export class NftTable {
  constructor(
    readonly netns: Netns,
    readonly family: Family,
    readonly table: string,
  ) {}

  #run(command: string, args: readonly string[], input: string): Done {
    const [first, ...rest] = this.netns.argv([command, ...args]);
    // Bytes, not UTF-8: strings of rules can hold any byte.
    const done = spawnSync(first!, rest, { input: textToBytes(input), maxBuffer: 1 << 28 });
    if (done.error) throw done.error;
    return {
      status: done.status ?? -1,
      out: bytesToText(done.stdout),
      err: bytesToText(done.stderr),
    };
  }

  /** Runs commands of our program. Returns the lines that it prints. */
  ours(...commands: string[]): string[] {
    const family = this.family === 'ipv6' ? '6' : '4';
    const done = this.#run(program(), [family, this.table], `${commands.join('\n')}\n`);
    if (done.status !== 0) throw new Error(`nft_write_program: ${done.out}${done.err}`);
    return done.out.split('\n').slice(0, -1);
  }

  /** The same without CAP_NET_ADMIN. */
  withoutPrivilege(...commands: string[]): string[] {
    const family = this.family === 'ipv6' ? '6' : '4';
    const words = ['--bounding-set', '-net_admin', program(), family, this.table];
    const done = this.#run('setpriv', words, `${commands.join('\n')}\n`);
    return done.out.split('\n').slice(0, -1);
  }

  /** The same for one transaction. Throws if it is not committed. */
  commit(...commands: string[]): void {
    const said = this.ours('generation', ...commands, 'commit');
    const end = said.filter((line) => !line.startsWith('generation '));
    if (end.join() !== 'committed') throw new Error(end.join('\n'));
  }

  /** iptables-nft-restore of lines for this table. They may begin with chains. */
  restore(lines: readonly string[], ...args: string[]): Done {
    const text = [`*${this.table}`, ...lines, 'COMMIT', ''].join('\n');
    return this.#run(`${tool(this.family)}-nft-restore`, args, text);
  }

  /** `iptables-nft -t TABLE …` */
  iptables(...args: string[]): Done {
    return this.#run(`${tool(this.family)}-nft`, ['-t', this.table, ...args], '');
  }

  /** The rules of a chain as iptables-nft-save prints them, from the first option on. */
  saved(chain: string): string[] {
    const done = this.#run(`${tool(this.family)}-nft-save`, ['-c', '-t', this.table], '');
    if (done.status !== 0) throw new Error(done.err);
    const lead = `-A ${chain}`;
    return done.out.split('\n').flatMap((line) => {
      const at = line.indexOf(lead);
      const after = line.slice(at + lead.length);
      const here = at >= 0 && line.startsWith('[') && (after === '' || after.startsWith(' '));
      return here ? [(line.slice(0, at) + after.trim()).trim()] : [];
    });
  }

  dump(chain: string): DumpedRule[] {
    return this.ours(`dump ${chain}`).map((line) => {
      const [handle, expressions] = line.split(' ');
      return { handle: handle!, expressions: expressions! };
    });
  }
}

/** The command of our program that adds a rule. */
export const ruleCommand = (chain: string, entry: Uint8Array, place = 'append', handle = '0') =>
  `rule ${chain} ${place} ${handle} ${hex(entry)}`;

/** The lines of expressions that are there in both families: `name` and the bytes of its data. */
export function expressionsOf(expressions: string): string[] {
  const bytes = Buffer.from(expressions, 'hex');
  const found: string[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const size = bytes.readUInt16LE(at);
    const nameSize = bytes.readUInt16LE(at + 4);
    const name = bytes.toString('latin1', at + 8, at + 4 + nameSize - 1);
    const data = at + 4 + Math.ceil(nameSize / 4) * 4 + 4;
    found.push(`${name} ${bytes.toString('hex', data, at + size)}`);
    at += Math.ceil(size / 4) * 4;
  }
  return found;
}
