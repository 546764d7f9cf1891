// With NODE_OPTIONS=--import of this file every node of a test starts again with the sanitizer's runtime
// loaded first (SANITIZER_RUNTIME), and everything else that a test starts (ip, iptables, cc) without it.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { isMainThread } from 'node:worker_threads';

const runtime = process.env.SANITIZER_RUNTIME;
const script = process.argv[1] === undefined ? '' : resolve(process.argv[1]);
if (runtime !== undefined && isMainThread && /\/test\/(kernel|lifetime)\//.test(script)) {
  const [first, ...others] = (process.env.LD_PRELOAD ?? '').split(':').filter(Boolean);
  if (first === runtime) {
    if (others.length > 0) process.env.LD_PRELOAD = others.join(':');
    else delete process.env.LD_PRELOAD;
  } else {
    const prefix = (process.env.SANITIZER_PREFIX ?? '').split(' ').filter(Boolean);
    const [command, ...words] = [
      // What ends this process ends that one.
      ...['setpriv', '--pdeathsig', 'KILL', ...prefix],
      ...[process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    ];
    const { status, signal } = spawnSync(command, words, {
      stdio: 'inherit',
      // setpriv and setarch get it as well: they are small and end in node.
      env: { ...process.env, LD_PRELOAD: [runtime, first, ...others].filter(Boolean).join(':') },
    });
    if (signal !== null) process.kill(process.pid, signal);
    process.exit(status ?? 1);
  }
}
