// Builds the small C programs of tests and benches with the system's compiler, on first use. A
// program is rebuilt when its source, a header beside it or its libraries change; test files that
// run at the same time may build the same one.
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
  const libraries = options.libraries ?? [];
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread', `-I${home}`];
  const hash = createHash('sha256').update(JSON.stringify([flags, libraries, process.arch]));
  const headers = new Set([home, folder].flatMap((path) => headersOf(path)));
  for (const file of [join(folder, `${name}.c`), ...headers]) hash.update(readFileSync(file));
  const target = join(root, 'build-programs', `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(target)) return target;
  mkdirSync(join(root, 'build-programs'), { recursive: true });
  const scratch = `${target}.${process.pid}`;
  const source = join(folder, `${name}.c`);
  try {
    run(['cc', ...flags, '-o', scratch, source, ...libraries.map((library) => `-l${library}`)]);
    renameSync(scratch, target);
  } finally {
    rmSync(scratch, { force: true });
  }
  return target;
}

function headersOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.h'))
    .sort()
    .map((name) => join(folder, name));
}
