// Sysctls that belong to the whole machine (nf_conntrack_max, buckets, expect_max). Only one test at a time may
// change them, across test files and runs. The old values come back even if the test is killed: a helper process
// holds the lock, and restores them when its standard input closes. The kernel closes it whenever this process ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';

const lockPath = '/tmp/conntrack-tests.lock';

// The lock file is not in the private /run of a test. Values are written in the initial namespace: in others these
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

/** Why this process may not write the machine's sysctls, for `suite.when`, or undefined. */
export function globalSysctlsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root: the sysctls of the whole machine';
  const map = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/);
  return map[2] === '4294967295' ? undefined : 'needs the initial user namespace';
}

// The test runner put this process into a new namespace and stayed outside. So the nearest ancestor in a different
// network namespace is outside.
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
    return []; // no more ancestors, or none that we may inspect: then this namespace is the one
  }
}

/** Holds the machine-wide lock and sets `values` while `work` runs. Then restores the old values. */
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
  // Detached: a runner that kills the group of a test must not kill the helper, which restores the values.
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
