// The addon under sanitizers: builds it with CMake (incrementally, in build-cmake/addon-<kind>) and says how
// node is started with it. Used by scripts/sanitize.mjs and by the tests.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isOurs } from './tsan-judge.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const kinds = {
  asan: {
    sanitize: 'address,undefined',
    runtime: 'libasan.so',
    targets: ['conntrack', 'core_tests'],
  },
  tsan: {
    sanitize: 'thread',
    runtime: 'libtsan.so',
    targets: ['conntrack', 'threads_program'],
  },
};

// Leaks of node itself that no change of ours could remove, each with its reason.
const leaksOfNode = [
  // ExternalWrapper (js_native_api_v8.cc) is deleted by V8's weak callback only, and V8 calls none for
  // what lives when an isolate ends: 40 bytes per external.
  'leak:napi_create_external',
  // A deferred is freed when its promise is settled, and none can be settled once the environment ends:
  // 8 bytes per operation that was under way (ConcludeDeferred fails before it frees).
  'leak:napi_create_promise',
];

/** Words before a program: gcc 12's ThreadSanitizer does not know the layouts of memory that more than 28 random bits give. */
export const fixedLayout = ['setarch', process.arch === 'x64' ? 'x86_64' : process.arch, '-R'];

function run(command, args) {
  const log = join(root, 'build-cmake', `sanitizer-${process.pid}.log`);
  mkdirSync(join(root, 'build-cmake'), { recursive: true });
  const file = openSync(log, 'w');
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', file, file] });
  closeSync(file);
  const said = readFileSync(log, 'utf8');
  rmSync(log);
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${result.error?.message ?? said.slice(-8000)}`);
  }
  return said;
}

/**
 * Builds the addon; returns its path. Beside it, without node: the unit tests of the core, and under
 * ThreadSanitizer the program that runs our thread code. One process at a time builds a folder.
 */
export function buildSanitized(kind) {
  const folder = join('build-cmake', `addon-${kind}`);
  mkdirSync(join(root, 'build-cmake'), { recursive: true });
  const cmake = (args) => run('flock', [join('build-cmake', `${kind}.lock`), 'cmake', ...args]);
  cmake([
    ...['-S', '.', '-B', folder, `-DSANITIZE=${kinds[kind].sanitize}`],
    '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
    // Half the time of -O2 -g to build, and the stacks are complete.
    '-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1',
    `-DCMAKE_JS_INC=${join(root, 'node_modules/node-api-headers/include')}`,
  ]);
  const jobs = String(availableParallelism());
  cmake(['--build', folder, '--target', ...kinds[kind].targets, '-j', jobs]);
  return join(root, folder, 'conntrack.node');
}

/** The runtime of the compiler that CMake takes. */
function runtimeOf(kind) {
  const compiler = process.env.CXX ?? 'c++';
  const path = run(compiler, [`-print-file-name=${kinds[kind].runtime}`]).trim();
  if (!path.startsWith('/')) throw new Error(`${compiler} has no ${kinds[kind].runtime}`);
  return path;
}

/**
 * A program that is node with the sanitizer's runtime, made in the folder `reports`, and its environment.
 * Whatever node starts by `process.execPath` is it again; other programs (a shell, ip, cc) are left
 * alone. Reports go to files in the folder, so that none is lost with the output of a child. Leaks are
 * only looked for where the process ends by itself: process.exit() leaves what V8's heap points to, which
 * the leak check cannot see.
 */
export function sanitizedNode(kind, addon, reports, leaks) {
  const runtime = runtimeOf(kind);
  const prefix = kind === 'tsan' ? `${fixedLayout.join(' ')} ` : '';
  const node = join(reports, 'node');
  writeFileSync(
    node,
    `#!/bin/sh\nexec ${prefix}env LD_PRELOAD="${runtime}\${LD_PRELOAD:+:$LD_PRELOAD}" '${process.execPath}' "$@"\n`,
  );
  chmodSync(node, 0o755);
  const log = `log_path=${join(reports, kind)}`;
  const env = {
    CONNTRACK_ADDON: addon,
    SANITIZED_NODE: node,
    SANITIZER_RUNTIME: runtime,
    NODE_OPTIONS: `--import=${new URL('sanitizer-hook.mjs', import.meta.url).href}`,
  };
  if (kind === 'asan') {
    const list = join(reports, 'suppressions');
    writeFileSync(list, `${leaksOfNode.join('\n')}\n`);
    // A small quarantine keeps tests of memory meaningful.
    env.ASAN_OPTIONS = [
      `detect_leaks=${leaks ? 1 : 0}`,
      ...['exitcode=86', 'detect_stack_use_after_return=1', 'quarantine_size_mb=32', log],
    ].join(':');
    env.UBSAN_OPTIONS = `print_stacktrace=1:exitcode=86:${log}`;
    env.LSAN_OPTIONS = `suppressions=${list}:print_suppressions=0:report_objects=1`;
  } else {
    // The exit code would count what is none of ours.
    env.TSAN_OPTIONS = [
      `report_thread_leaks=${leaks ? 1 : 0}`,
      ...['exitcode=0', 'second_deadlock_stack=1', log],
    ].join(':');
  }
  return { node, env };
}

/** What the sanitizers found. */
export function reportsIn(folder) {
  return readdirSync(folder)
    .filter((name) => /^[at]san\.\d+/.test(name))
    .flatMap((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      if (name.startsWith('asan')) return [text];
      return text
        .split('==================')
        .filter((report) => /WARNING: ThreadSanitizer/.test(report) && isOurs(report));
    });
}
