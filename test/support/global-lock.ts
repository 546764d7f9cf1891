// Sysctls that belong to the whole machine (nf_conntrack_max, buckets, expect_max): one test at a
// time may change them, across test files and runs, and the old values come back even when the test
// is killed. A helper process holds the lock and puts them back when its standard input closes, which
// the kernel does for us however we end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';

const lockPath = '/tmp/conntrack-tests.lock';

// Not in the private /run of a test. Values are written in the initial namespace: elsewhere these
// sysctls are read-only (nf_conntrack_standalone.c).
const script = `
set -e
exec 9<>"$0"
flock -x 9
back=''
restore() { [ -z "$back" ] || sh -c "$back"; }
trap restore EXIT
trap 'exit 1' INT TERM HUP
while [ $# -gt 0 ]; do
  back="echo $(cat "$1") > $1; $back"
  echo "$2" > "$1"
  shift 2
done
echo locked
cat > /dev/null
`;

/** Whether this process may write the machine's sysctls; otherwise the reason, for `suite.when`. */
export function globalSysctlsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root: the sysctls of the whole machine';
  const map = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/);
  return map[2] === '4294967295' ? undefined : 'needs the initial user namespace';
}

// The runner of the tests stayed where it was started when it put this process into a namespace of
// its own: the nearest ancestor in another network namespace.
function outside(): string[] {
  const netns = (pid: string) => readlinkSync(`/proc/${pid}/ns/net`);
  const own = netns('self');
  let pid = 'self';
  try {
    for (;;) {
      pid = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
      if (netns(pid) !== own) return ['nsenter', `--net=/proc/${pid}/ns/net`];
    }
  } catch {
    return []; // no more ancestors, or none that may be looked at: then it is the one we are in
  }
}

/** Holds the machine-wide lock, with `values` set, while `work` runs; then puts the old ones back. */
export async function withGlobalSysctls<T>(
  values: Record<string, number | string>,
  work: () => T | Promise<T>,
): Promise<T> {
  const words = Object.entries(values).flatMap(([name, value]) => [
    `/proc/sys/${name.replaceAll('.', '/')}`,
    String(value),
  ]);
  const inner = ['sh', '-c', script, lockPath, ...words];
  const argv = words.length === 0 ? inner : [...outside(), ...inner];
  // Detached: a runner that kills the group of a test must not kill what puts the values back.
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const ended = once(child, 'close');
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const locked = new Promise<boolean>((resolve) => {
    child.stdout.once('data', () => resolve(true));
    child.once('error', () => resolve(false));
    child.once('close', () => resolve(false));
  });
  if (!(await locked)) throw new Error(`the machine's sysctls could not be set: ${said.trim()}`);
  try {
    return await work();
  } finally {
    child.stdin.end();
    const [code] = await ended;
    if (code !== 0) process.stderr.write(`putting sysctls back: exit code ${code}: ${said}\n`);
  }
}

/** Holds the machine-wide lock while `work` runs. */
export function withGlobalLock<T>(work: () => T | Promise<T>): Promise<T> {
  return withGlobalSysctls({}, work);
}
