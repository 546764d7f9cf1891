// Packages of the npm registry that the tests of a release need: nodes, package managers, other runtimes. Each is
// fetched once, without its dependencies and without running anything of it.
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../support/process.js';

const folder = fileURLToPath(new URL('../../build-prebuilds/packages', import.meta.url));

/** The folder of a package: `name@version`. */
export function fetched(specifier: string): string {
  const target = join(folder, specifier.replaceAll('/', '+'));
  mkdirSync(folder, { recursive: true });
  try {
    if (readdirSync(target).length > 0) return target;
  } catch {
    // It is not there yet.
  }
  const scratch = mkdtempSync(`${target}.`);
  run(['npm', 'pack', specifier, '--silent', '--ignore-scripts', '--pack-destination', scratch]);
  const [tarball] = readdirSync(scratch);
  run(['tar', '-xzf', join(scratch, tarball!), '-C', scratch]);
  try {
    renameSync(join(scratch, 'package'), target);
  } catch {
    // Another test has fetched it first.
  }
  rmSync(scratch, { recursive: true, force: true });
  return target;
}

/** The newest Node of each line that the package supports, and the first one. */
export const nodeVersions = ['20.19.0', '20.20.2', '22.23.5', '24.22.3', '26.12.1'];

export const nodeOf = (version: string, arch = 'x64') =>
  join(fetched(`node-linux-${arch}@${version}`), 'bin/node');

/** The releases of Bun and Deno that are tried. */
export const bunPath = () => join(fetched('@oven/bun-linux-x64@1.4.5'), 'bin/bun');
export const denoPath = () => join(fetched('@deno/linux-x64-glibc@2.9.6'), 'deno');
export const muslBunPath = () => join(fetched('@oven/bun-linux-x64-musl@1.4.5'), 'bin/bun');
