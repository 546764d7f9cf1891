// The addon under sanitizers: builds it with CMake (incrementally, in build-cmake/addon-<kind>) and says how
// to start node with it. scripts/sanitize.mjs and the tests use it.
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
    // Building takes longer than running, and with these checks -O1 takes twice as long to build.
    optimize: '-O0',
    runtime: 'libasan.so',
    targets: ['conntrack', 'core_tests'],
  },
  tsan: {
    sanitize: 'thread',
    optimize: '-O1', // -O0 builds no faster
    runtime: 'libtsan.so',
    targets: ['conntrack', 'threads_program'],
  },
};

// Leaks of node itself, each with its reason. No change of this package can remove them.
const leaksOfNode = [
  // Only V8's weak callback deletes an ExternalWrapper (js_native_api_v8.cc). V8 does not call it for
  // objects that live until an isolate ends: 40 bytes per external.
  'leak:napi_create_external',
  // Node frees a deferred when its promise is settled. That is impossible once the environment ends
  // (ConcludeDeferred fails before it frees): 8 bytes per operation that was not finished.
  'leak:napi_create_promise',
];

/**
 * The words before a program that give it a fixed memory layout. With more than 28 random bits the kernel makes
 * layouts that gcc 12's ThreadSanitizer does not know.
 */
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
 * Builds the addon and returns its path. Also builds a program that needs no node: the unit tests of the core,
 * or under ThreadSanitizer the program that runs our thread code. One process at a time builds a folder.
 */
export function buildSanitized(kind) {
  const folder = join('build-cmake', `addon-${kind}`);
  mkdirSync(join(root, 'build-cmake'), { recursive: true });
  const cmake = (args) => run('flock', [join('build-cmake', `${kind}.lock`), 'cmake', ...args]);
  cmake([
    ...['-S', '.', '-B', folder, `-DSANITIZE=${kinds[kind].sanitize}`],
    '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
    // With -g1 the stacks are complete.
    `-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=${kinds[kind].optimize} -g1`,
    `-DCMAKE_JS_INC=${join(root, 'node_modules/node-api-headers/include')}`,
  ]);
  const jobs = String(availableParallelism());
  cmake(['--build', folder, '--target', ...kinds[kind].targets, '-j', jobs]);
  return join(root, folder, 'conntrack.node');
}

/** The runtime of the compiler that CMake uses. */
function runtimeOf(kind) {
  const compiler = process.env.CXX ?? 'c++';
  const path = run(compiler, [`-print-file-name=${kinds[kind].runtime}`]).trim();
  if (!path.startsWith('/')) throw new Error(`${compiler} has no ${kinds[kind].runtime}`);
  return path;
}

/**
 * Makes a program in the folder `reports` that is node with the sanitizer's runtime; returns it with its
 * environment. When node starts `process.execPath`, it starts this program again. Other programs (a shell,
 * ip, cc) run without the sanitizer. Reports go to files in the folder, so that none is lost with the output
 * of a child. `leaks` also looks for leaks. Use it only if the process ends by itself: process.exit() keeps
 * the memory that V8's heap points to, and the leak check cannot see these pointers.
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
    // The quarantine is small, so that tests of memory do not measure it.
    env.ASAN_OPTIONS = [
      `detect_leaks=${leaks ? 1 : 0}`,
      ...['exitcode=86', 'detect_stack_use_after_return=1', 'quarantine_size_mb=32', log],
    ].join(':');
    env.UBSAN_OPTIONS = `print_stacktrace=1:exitcode=86:${log}`;
    env.LSAN_OPTIONS = `suppressions=${list}:print_suppressions=0:report_objects=1`;
  } else {
    // Always exit code 0: any other would also count reports about node.
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
