// The package as it would be published, in a project of a user: packed by `npm pack`, with all its binaries.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../support/process.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'conntrack-release-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));

let packed: string | undefined;

/** The tarball. Its own script has built `dist` and looked for the binaries. */
export function tarball(): string {
  if (packed !== undefined) return packed;
  const folder = join(home, 'packed');
  mkdirSync(folder);
  run(['npm', 'pack', root, '--silent', '--pack-destination', folder]);
  packed = join(folder, readdirSync(folder)[0]!);
  return packed;
}

/** An empty project of its own. */
export function emptyProject(name: string): string {
  const folder = join(home, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "name": "user", "private": true }\n');
  return folder;
}

/** A project that has the package and its dependencies, put there without a package manager. */
export function project(): string {
  const folder = join(home, 'project');
  const installed = join(folder, 'node_modules/conntrack');
  if (existsSync(installed)) return folder;
  emptyProject('project');
  mkdirSync(installed, { recursive: true });
  run(['tar', '-xzf', tarball(), '-C', installed, '--strip-components=1']);
  for (const name of ['bindings', 'file-uri-to-path', 'node-addon-api']) {
    const from = join(root, 'node_modules', name);
    cpSync(from, join(folder, 'node_modules', name), { recursive: true });
  }
  return folder;
}
