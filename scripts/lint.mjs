// All checks of `npm run lint`: formatting, lint, types, documentation, package.json, layers, clang-tidy. A checker that
// is not installed fails the run.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const fix = process.argv.includes('--fix-native');

function run(label, command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  const ok = result.status === 0;
  if (!ok)
    process.stdout.write(
      `lint: ${label} failed${result.error ? `: ${result.error.message}` : ''}\n`,
    );
  return ok;
}

function tracked(...patterns) {
  const listing = spawnSync(
    'git',
    ['ls-files', '--cached', '--others', '--exclude-standard', ...patterns],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  return listing.stdout.split('\n').filter(Boolean);
}

const native = tracked(
  ...['native/*.cc', 'native/*.h', 'bench/*.c', 'bench/*.h', 'test/*.c', 'test/*.h'],
).filter((file) => existsSync(join(root, file)));
if (fix) {
  process.exit(run('clang-format', 'clang-format', ['-i', ...native]) ? 0 : 1);
}
// clang-tidy checks only what changed since the last run: it has its own build folder, and make compares. It is given
// several files as one. Then the static analyzer looks only at itself, unless a path with this word includes them.
const tidy = 'build-cmake/tidy-UnifiedSource';
const configureTidy = [
  ...['-S', '.', '-B', tidy, '-G', 'Unix Makefiles', '--log-level=WARNING', '-DTIDY=ON'],
  ...['-DCMAKE_C_COMPILER=clang', '-DCMAKE_CXX_COMPILER=clang++', '-DCMAKE_RULE_MESSAGES=OFF'],
  `-DCMAKE_JS_INC=${join(root, 'node_modules/node-api-headers/include')}`,
];
const jobs = String(availableParallelism());
const runTidy = ['--build', tidy, '--target', 'tidy', '-j', jobs, '--', '--keep-going', '--silent'];
const checks = [
  ['biome', 'npx', ['biome', 'check', '--error-on-warnings', '.']],
  ['types', 'npx', ['tsc', '-p', 'tsconfig.json']],
  ['tests of types', 'npx', ['tsc', '-p', 'test/types']],
  ['documentation', 'npx', ['typedoc', '--emit', 'none', '--logLevel', 'Warn']],
  ['package', 'npx', ['publint', '--strict']],
  ['layers', 'node', ['scripts/check-layers.mjs']],
  ['usings', 'node', ['scripts/check-usings.mjs']],
  ['columns', 'node', ['scripts/gen-columns.mjs', '--check']],
];
if (native.length > 0)
  checks.push(
    ['clang-format', 'clang-format', ['--dry-run', '--Werror', ...native]],
    ['configuration of clang-tidy', 'cmake', configureTidy],
    ['clang-tidy', 'cmake', runTidy],
  );
const failed = checks.filter(([label, command, args]) => !run(label, command, args));
process.stdout.write(
  failed.length === 0
    ? 'lint: clean\n'
    : `lint: ${failed.length} of ${checks.length} checks failed\n`,
);
process.exit(failed.length === 0 ? 0 : 1);
