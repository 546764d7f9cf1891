// Builds the small C and C++ programs of tests and benches with the system's compiler, on first use. A program is
// rebuilt when its source, a header beside it or its libraries change. Test files that run at the same time may build
// the same program.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './process.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Where the shared headers and the programs of the tests are. */
const home = join(root, 'test/support/c');

export interface CProgramOptions {
  /** The folder of the source, from the root of the project; `test/support/c` by default. */
  folder?: string;
  /** Libraries to link: `['netfilter_conntrack', 'mnl']`. */
  libraries?: readonly string[];
}

/** The path of the built program `<folder>/<name>.c`. */
export function cProgram(name: string, options: CProgramOptions = {}): string {
  const folder = options.folder === undefined ? home : join(root, options.folder);
  return build(name, {
    compiler: ['cc', '-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread', `-I${home}`],
    sources: [join(folder, `${name}.c`)],
    headers: [...new Set([home, folder])].flatMap(headersOf),
    libraries: options.libraries ?? [],
  });
}

/**
 * The path of the program `native/test/<name>.cc` with files of the core, built with the address and
 * undefined-behaviour sanitizers. Every finding ends it with a report.
 */
export function sanitizedProgram(name: string, coreFiles: readonly string[]): string {
  const native = join(root, 'native');
  return build(name, {
    compiler: [
      ...['c++', '-std=c++20', '-O1', '-g1', '-Wall', '-Wextra', '-Werror', '-fno-exceptions'],
      ...['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'],
      `-I${native}`,
    ],
    sources: [
      join(native, 'test', `${name}.cc`),
      ...coreFiles.map((file) => join(native, 'core', file)),
    ],
    together: true,
    headers: headersOf(join(native, 'core')),
    libraries: [],
  });
}

interface Program {
  compiler: readonly string[];
  sources: readonly string[];
  /** Compiles all sources as one, each header once. */
  together?: boolean;
  headers: readonly string[];
  libraries: readonly string[];
}

function build(name: string, program: Program): string {
  const { compiler, sources, together = false, headers, libraries } = program;
  const hash = createHash('sha256').update(
    JSON.stringify([compiler, together, libraries, process.arch]),
  );
  for (const file of [...sources, ...headers]) hash.update(readFileSync(file));
  const target = join(root, 'build-programs', `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(target)) return target;
  mkdirSync(join(root, 'build-programs'), { recursive: true });
  const scratch = `${target}.${process.pid}`;
  try {
    const given = together ? ['-x', 'c++', '-'] : sources;
    const input = sources.map((source) => `#include "${source}"\n`).join('');
    run(
      [...compiler, '-o', scratch, ...given, ...libraries.map((library) => `-l${library}`)],
      together ? { input } : {},
    );
    renameSync(scratch, target);
  } finally {
    rmSync(scratch, { force: true });
  }
  return target;
}

function headersOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.h'))
    .sort()
    .map((name) => join(folder, name));
}
