// Runs tests against an addon built with sanitizers; any finding ends the test process with an error.
// node scripts/sanitize.mjs address|thread [part of a test's path …]
// Without a part: the kernel and lifetime tests.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [kind, ...parts] = process.argv.slice(2);
const standard = ['kernel/', 'lifetime/'];

const kinds = {
  address: {
    sanitize: 'address,undefined',
    libraries: ['libasan.so', 'libubsan.so'],
    // Node itself keeps what it allocates until it ends.
    env: {
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0:exitcode=66',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
    },
    prefix: '',
  },
  thread: {
    sanitize: 'thread',
    libraries: ['libtsan.so'],
    // Node is not instrumented: only races in which the addon takes part are reports.
    env: { TSAN_OPTIONS: 'ignore_noninstrumented_modules=1:halt_on_error=1:exitcode=66' },
    // The runtime wants the addresses that a process without randomisation has.
    prefix: 'setarch -R',
  },
};

const chosen = kinds[kind];
if (chosen === undefined) {
  process.stderr.write('usage: node scripts/sanitize.mjs address|thread [part of a path …]\n');
  process.exit(2);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options });
  if (result.status === 0) return result.stdout;
  process.stderr.write(
    `${result.error?.message ?? `${result.stdout ?? ''}${result.stderr ?? ''}`}`,
  );
  process.exit(result.status || 1);
}

// gcc's runtimes are loaded before node, for node itself is not linked against them.
function runtime(name) {
  const path = run('g++', [`-print-file-name=${name}`]).trim();
  if (existsSync(path)) return path;
  process.stderr.write(`${name} is not installed (it comes with g++ on most systems)\n`);
  return process.exit(1);
}

const out = join(root, `build-cmake/addon-${kind}`);
const preload = chosen.libraries.map(runtime).join(' ');
run('npx', [
  'cmake-js',
  'compile',
  ...['--out', out, '--prefer-gnu', `--CDSANITIZE=${chosen.sanitize}`, '--target', 'conntrack'],
]);

// Only node gets the runtime: other programs (a shell under TSan) do not all survive it. So every node
// process of the tests takes the runtime out of what it hands on, and starts further node processes
// through the wrapper.
const wrapper = join(out, 'node');
writeFileSync(
  wrapper,
  `#!/bin/sh\nexec ${chosen.prefix} env LD_PRELOAD='${preload}' '${process.execPath}' "$@"\n`,
);
chmodSync(wrapper, 0o755);
const hook = join(out, 'hook.mjs');
writeFileSync(
  hook,
  `delete process.env.LD_PRELOAD;\nprocess.execPath = ${JSON.stringify(wrapper)};\n`,
);
run(wrapper, ['--import', 'tsx', 'test/run.ts', ...(parts.length > 0 ? parts : standard)], {
  stdio: 'inherit',
  env: {
    ...process.env,
    ...chosen.env,
    NODE_OPTIONS: `--import=${pathToFileURL(hook)}`,
    CONNTRACK_ADDON: join(out, 'Release/conntrack.node'),
    TEST_LIMIT_MS: process.env.TEST_LIMIT_MS ?? '600000',
  },
});
