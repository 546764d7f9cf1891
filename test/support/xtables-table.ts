// Reads the rules of one legacy table from the kernel, in the portable form: the target of a jump is the name of its
// chain. It is an oracle that uses no code of the package.
import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { cProgram } from './c-program.js';

const hooks = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'];
const verdicts: Record<number, string> = {
  [-1]: 'DROP',
  [-2]: 'ACCEPT',
  [-4]: 'QUEUE',
  [-5]: 'RETURN',
};
/** Where struct ipt_entry and ip6t_entry have the offsets of the target and of the next entry. */
const places = { ipv4: { target: 88, next: 90 }, ipv6: { target: 140, next: 142 } };
/** Where struct xt_entry_target has the name. */
const name = { at: 2, length: 29 };
const payload = 32;

interface Entry {
  at: number;
  /** Offset of the target in the entry. */
  target: number;
  bytes: Buffer;
}

const text = (bytes: Buffer) => bytes.toString('latin1').split('\0')[0]!;
const targetName = ({ bytes, target }: Entry) =>
  text(bytes.subarray(target + name.at, target + name.at + name.length));

/** The rules of every chain, without the policy or the RETURN at its end. Throws the kernel's error. */
export function tableOfKernel(family: 'ipv4' | 'ipv6', table: string): Map<string, Uint8Array[]> {
  const done = spawnSync(cProgram('xtables-table'), [family, table], {
    encoding: 'latin1',
    maxBuffer: 1 << 28,
  });
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`reading the table ${table}: ${done.stderr}`);
  const [numbers, hex] = done.stdout.split('\n');
  const [valid, ...begins] = numbers!.split(' ').map(Number);
  const entries = split(Buffer.from(hex!, 'hex'), places[family]);

  // The start of each chain: the offset of a jump is that of the first rule of a chain.
  const starts = new Map<number, string>();
  for (const [hook, at] of begins.entries()) if (valid! & (1 << hook)) starts.set(at, hooks[hook]!);
  const heads = new Set<number>();
  for (const entry of entries) {
    if (targetName(entry) !== 'ERROR') continue;
    heads.add(entry.at);
    const said = entry.bytes.subarray(entry.target + payload, entry.target + payload + 30);
    starts.set(entry.at + entry.bytes.length, text(said));
  }

  const chains = new Map<string, Uint8Array[]>();
  let rules: Uint8Array[] = [];
  for (const entry of entries) {
    if (heads.has(entry.at)) continue;
    const start = starts.get(entry.at);
    if (start !== undefined) {
      rules = [];
      chains.set(start, rules);
    }
    if (targetName(entry) === '') writeName(entry, verdictName(entry, starts));
    rules.push(Uint8Array.from(entry.bytes));
  }
  for (const list of chains.values()) list.pop();
  return chains;
}

function split(blob: Buffer, place: { target: number; next: number }): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < blob.length; ) {
    const next = blob.readUInt16LE(at + place.next);
    const bytes = Buffer.from(blob.subarray(at, at + next));
    entries.push({ at, target: bytes.readUInt16LE(place.target), bytes });
    at += next;
  }
  return entries;
}

/** The meaning of a standard target: a verdict, the chain that it jumps to, or nothing if it continues. */
function verdictName(entry: Entry, starts: ReadonlyMap<number, string>): string {
  const verdict = entry.bytes.readInt32LE(entry.target + payload);
  if (verdict < 0) return verdicts[verdict]!;
  return verdict === entry.at + entry.bytes.length ? '' : starts.get(verdict)!;
}

/** Writes the name of a standard target in place of its number. */
function writeName({ bytes, target }: Entry, said: string): void {
  bytes.fill(0, target + name.at, target + payload + 8);
  bytes.write(said, target + name.at, 'latin1');
}
