// Runs before `npm pack` and `npm publish`: makes dist, and refuses to pack if a binary is missing, was built from other
// sources, or needs what not every system has. Writes to standard error only: npm prints the tarball's name.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtFrom, sourcesHash, targets } from './prebuild-targets.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

function stop(text) {
  process.stderr.write(`prepack: ${text}\n`);
  process.exit(1);
}

function npm(...args) {
  const stdio = ['ignore', 2, 2];
  const { status } = spawnSync('npm', args, { cwd: root, stdio });
  if (status !== 0) stop(`npm ${args.join(' ')} failed`);
}

const files = targets.map(({ file }) => file);
const hash = sourcesHash();
const missing = files.filter((file) => !existsSync(join(root, file)));
const old = files.filter((file) => !missing.includes(file) && builtFrom(file) !== hash);
if (missing.length > 0) stop(`missing: ${missing.join(', ')}; "npm run prebuildify" builds them`);
if (old.length > 0) {
  stop(`built from other sources: ${old.join(', ')}; "npm run prebuildify" builds them again`);
}
if (!existsSync(join(root, 'node_modules/typescript'))) npm('ci', '--ignore-scripts', '--no-audit');
npm('run', '--silent', 'build:ts');
const { addonProblems } = await import('./check-addon.mjs');
for (const target of targets) {
  const problems = addonProblems(join(root, target.file), target);
  if (problems.length > 0) stop(`${target.file}: ${problems.join('; ')}`);
}
