// Makes a release ready, all but publishing: `node scripts/release.mjs 1.2.3 [--dry-run]`. RELEASING.md is the recipe.
// Every step must succeed before the next begins. The commit and the tag come last, so a failure leaves only files that
// git can take back.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The changelog, with a version and a date in the heading that says "unreleased". Throws if there is no such heading. */
export function cutChangelog(text, version, date) {
  const heading = /^## \[?([\w.-]+)\]?(?: - unreleased)$/im;
  const found = heading.exec(text);
  if (found === null) throw new Error('CHANGELOG.md has no heading "## [version] - unreleased"');
  const after = text.slice(found.index + found[0].length);
  const body = after.split(/^## /m)[0].trim();
  if (body === '') throw new Error('CHANGELOG.md says nothing about this release');
  if (new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\] - \\d`, 'm').test(text)) {
    throw new Error(`CHANGELOG.md already has ${version}`);
  }
  return text.replace(heading, `## [${version}] - ${date}`);
}

/** Whether a version is one of Semantic Versioning, without a `v`. */
export const isVersion = (text) => /^\d+\.\d+\.\d+(?:-[0-9a-z.-]+)?$/i.test(text);

/** The address of a repository without what differs between ways to reach it: `github.com/owner/name`. */
export const plainAddress = (url) =>
  url
    .replace(/^git\+/, '')
    .replace(/^[a-z]+:\/\/(?:[^@/]+@)?/, '')
    .replace(/^[^@/]+@([^:/]+):/, '$1/')
    .replace(/\.git$/, '');

function stop(text) {
  process.stderr.write(`release: ${text}\n`);
  process.exit(1);
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'dry-run': { type: 'boolean', default: false } },
  });
  const [version] = positionals;
  if (version === undefined || !isVersion(version)) stop('expected a version, such as 1.2.3');
  const dry = values['dry-run'];

  const said = (command, ...args) =>
    spawnSync(command, args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';
  function step(what, command, ...args) {
    process.stdout.write(`release: ${what}: ${command} ${args.join(' ')}\n`);
    if (dry) return;
    const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
    if (status !== 0) stop(`${what} failed`);
  }

  // What can be known at once.
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  const cut = cutChangelog(changelog, version, new Date().toISOString().slice(0, 10));
  const problems = [];
  if (said('git', 'status', '--porcelain') !== '') problems.push('the work tree has changes');
  if (said('git', 'branch', '--show-current') !== 'main') problems.push('this is not main');
  if (said('git', 'tag', '--list', `v${version}`) !== '') problems.push(`v${version} exists`);
  const origin = said('git', 'remote', 'get-url', 'origin');
  if (plainAddress(origin) !== plainAddress(manifest.repository.url)) {
    problems.push(`package.json names ${manifest.repository.url}, and origin is "${origin}"`);
  }
  for (const problem of problems) process.stderr.write(`release: ${problem}\n`);
  if (problems.length > 0 && !dry) process.exit(1);

  step('the lint and all tests', 'bash', '.ci/run');
  step('version', 'npm', 'version', version, '--no-git-tag-version', '--allow-same-version');
  process.stdout.write(`release: CHANGELOG.md: ${cut.match(/^## .*$/m)[0]}\n`);
  if (!dry) writeFileSync(join(root, 'CHANGELOG.md'), cut);
  step('the four binaries', 'npm', 'run', 'prebuildify');
  const addon = join(root, 'prebuilds/linux-x64/conntrack.glibc.node');
  step(
    'all tests with the binary that is shipped',
    'env',
    `CONNTRACK_ADDON=${addon}`,
    'npm',
    'test',
  );
  step('the tests of a release', 'npm', 'run', 'test:release');
  step('the tarball', process.execPath, 'scripts/check-tarball.mjs', '--release');
  step('the commit', 'git', 'commit', '--all', '--message', `Version ${version}`);
  step('the tag', 'git', 'tag', '--annotate', `v${version}`, '--message', `Version ${version}`);
  process.stdout.write(`release: ready. RELEASING.md says how to publish it.\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
