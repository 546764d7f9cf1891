// The package as users have it, in a separate folder, for child processes and workers that must start fast. It is
// bundled from src/ when that has changed, with the addon of the last native build.
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './process.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bundle = join(root, 'scripts/bundle.mjs');

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? sources(path) : path.endsWith('.ts') ? [path] : [];
    })
    .sort();
}

/** The folder of the package: `dist/index.js`, `package.json`, `build/Release/conntrack.node`. */
export function compiledPackage(): string {
  const hash = createHash('sha256');
  for (const path of ['package.json', 'scripts/bundle.mjs', ...sources('src')]) {
    hash.update(`${path}\0${readFileSync(join(root, path), 'utf8')}\0`);
  }
  const target = join(root, 'build-tests', `package-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(target)) return target;
  const scratch = `${target}.${process.pid}`;
  run([process.execPath, bundle, join(scratch, 'dist')]);
  cpSync(join(root, 'package.json'), join(scratch, 'package.json'));
  symlinkSync(join(root, 'build'), join(scratch, 'build'));
  try {
    renameSync(scratch, target);
  } catch (error) {
    // Another test file has built it first.
    rmSync(scratch, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}
