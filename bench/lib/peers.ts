// Programs that people use for the same work today. Each runs to its end, and its output is thrown away
// or parsed. The time is wall time. It includes the start of the process, because users wait for that too.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Whether a program is installed. */
export function installed(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

/** The nanoseconds that a program takes with its output to /dev/null. */
export function runToNull(argv: readonly string[]): number {
  const sink = openSync('/dev/null', 'w');
  const began = process.hrtime.bigint();
  const child = spawnSync(argv[0]!, argv.slice(1), { stdio: ['ignore', sink, 'pipe'] });
  const took = Number(process.hrtime.bigint() - began);
  closeSync(sink);
  if (child.status !== 0) throw new Error(`${argv.join(' ')}: ${child.stderr?.toString().trim()}`);
  return took;
}

/** The nanoseconds that a program takes that reads `input`, started as Node programs without this package do. */
export function runWithInput(argv: readonly string[], input: string): Promise<number> {
  const began = process.hrtime.bigint();
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0]!, argv.slice(1), { stdio: ['pipe', 'ignore', 'ignore'] });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(Number(process.hrtime.bigint() - began));
      else reject(new Error(`${argv.join(' ')}: exit code ${code}`));
    });
    child.stdin.end(input);
  });
}

const linePattern =
  /^(\S+)\s+(\d+)\s+(\d+)\s+(?:([A-Z_0-9]+)\s+)?src=(\S+) dst=(\S+) (?:sport=(\d+) dport=(\d+) )?(?:\[UNREPLIED\] )?src=(\S+) dst=(\S+)(?: sport=(\d+) dport=(\d+))?.*?(?:mark=(\d+))?/;

/** What Node programs do without this package: run `conntrack -L` in a child, and match every line. */
export async function spawnAndParse(): Promise<{ flows: object[]; ns: number }> {
  const began = process.hrtime.bigint();
  const child = spawn('conntrack', ['-L'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const flows: object[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const m = linePattern.exec(line);
    if (m === null) continue;
    flows.push({
      protocol: m[1],
      timeout: Number(m[3]),
      state: m[4],
      src: m[5],
      dst: m[6],
      srcPort: Number(m[7]),
      dstPort: Number(m[8]),
      replySrc: m[9],
      replyDst: m[10],
      mark: Number(m[13]),
    });
  }
  return { flows, ns: Number(process.hrtime.bigint() - began) };
}
