// Throw-away namespaces for a command: network and mount, and a user namespace if the caller is not root. They have
// their own /run, and so their own namespace names and lock files.
import { spawnSync } from 'node:child_process';

const isRoot = process.getuid?.() === 0;
const variable = 'CONNTRACK_SANDBOX';

/** Whether this process runs inside such namespaces already. */
export const inSandbox = process.env[variable] === '1';

/** The words before a command that enter them, or the reason why that is impossible here. */
export function sandbox(): { prefix: string[] } | { missing: string } {
  const flags = isRoot ? ['--net', '--mount'] : ['--user', '--map-root-user', '--net', '--mount'];
  const inside = `mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip link set lo up && ${variable}=1 exec "$@"`;
  const prefix = ['unshare', ...flags, 'sh', '-c', inside, 'sh'];
  const probe = spawnSync(prefix[0]!, [...prefix.slice(1), 'true'], { encoding: 'utf8' });
  if (probe.status === 0) return { prefix };
  return { missing: `no namespaces here: ${probe.error?.message ?? probe.stderr.trim()}` };
}

/** Runs this program again inside a sandbox and ends with its exit code; returns when it is inside. */
export function enterSandbox(): void {
  if (inSandbox) return;
  const entry = sandbox();
  if ('missing' in entry) {
    process.stderr.write(`${entry.missing}\n`);
    process.exit(1);
  }
  const own = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const [command, ...rest] = [...entry.prefix, ...own];
  const child = spawnSync(command!, rest, { stdio: 'inherit' });
  process.exit(child.status ?? 1);
}
