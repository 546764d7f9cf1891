// The package as it would be published, in a project of a user: packed by `npm pack`, with all its binaries.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../support/process.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'conntrack-release-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** The tarball. `npm run test:release` has packed it just before: packing writes into `dist`, so only one may do it. */
export function tarball(): string {
  const file = join(root, `build-prebuilds/conntrack-${version}.tgz`);
  if (!existsSync(file)) throw new Error(`no ${file}: "npm run test:release" makes it`);
  return file;
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

/** The same project, with all libraries that the programs of the documentation import. */
export function projectWithLibraries(): string {
  const modules = join(project(), 'node_modules');
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (!existsSync(join(modules, name)))
      symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  return project();
}
