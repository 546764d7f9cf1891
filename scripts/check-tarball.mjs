// Checks what `npm pack` would publish: exactly the right files, no larger than allowed, and no script
// that runs at install time. With `--release` every prebuilt addon must be there too.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { targets } from './prebuild-targets.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const release = process.argv.includes('--release');

// In bytes. Users wait for the tarball. The other limits show which part grew.
const limits = { tarball: 2_500_000, dist: 1_200_000, maps: 200_000 };

const always = [
  ...['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'THIRD-PARTY.md'],
  ...['binding.gyp', 'native/sources.gypi'],
  ...['dist/index.js', 'dist/index.js.map', 'dist/iptables.cjs', 'dist/iptables.cjs.map'],
  ...['dist/core.js', 'dist/core.js.map', 'dist/testing.js', 'dist/testing.js.map'],
  ...['dist/index.d.ts', 'dist/testing.d.ts', 'native/napi/exports.map'],
];
const allowed = [
  /^native\/(core|napi)\/([\w-]+\/)*[\w-]+\.(h|cc)$/,
  /^prebuilds\/linux-\w+\/conntrack\.(glibc|musl)\.node$/,
];

const problems = [];
const read = (file) => JSON.parse(readFileSync(join(root, file), 'utf8'));

function packed() {
  const result = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (result.status !== 0) {
    process.stderr.write(result.error?.message ?? result.stderr);
    process.exit(1);
  }
  return JSON.parse(result.stdout)[0];
}

function files(folder, ending) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(ending) && !name.endsWith('.d.ts'))
    .map((name) => join(folder, name));
}

const tarball = packed();
const names = new Set(tarball.files.map(({ path }) => path));
const sizeOf = (pattern) =>
  tarball.files.filter(({ path }) => pattern.test(path)).reduce((sum, { size }) => sum + size, 0);

// What must be there: the bundles, the declarations, every source of the addon and its headers.
const { core_files, napi_files } = read('native/sources.gypi').variables;
const wanted = [
  ...always,
  ...[...core_files, ...napi_files].map((name) => `native/${name}`),
  ...['native/core', 'native/napi'].flatMap((folder) => files(folder, '.h')),
  ...(release ? targets.map(({ file }) => file) : []),
];
for (const name of wanted) if (!names.has(name)) problems.push(`${name} is missing`);

// What may be there.
const expected = new Set(wanted);
for (const name of names) {
  if (!expected.has(name) && !allowed.some((pattern) => pattern.test(name))) {
    problems.push(`${name} does not belong there`);
  }
}

const dist = sizeOf(/^dist\/.*\.(c?js|ts)$/);
if (dist > limits.dist) problems.push(`dist: ${dist} bytes, allowed ${limits.dist}`);
const maps = sizeOf(/\.map$/);
if (maps > limits.maps) problems.push(`source maps: ${maps} bytes, allowed ${limits.maps}`);
if (tarball.size > limits.tarball) {
  problems.push(`tarball: ${tarball.size} bytes, allowed ${limits.tarball}`);
}

// Some package managers block install scripts. npm runs `node-gyp rebuild` if gypfile is not false.
const manifest = read('package.json');
for (const name of ['preinstall', 'install', 'postinstall', 'prepare', 'prebuild']) {
  if (manifest.scripts?.[name] !== undefined) problems.push(`package.json has the script ${name}`);
}
if (manifest.gypfile !== false) problems.push('package.json does not say "gypfile": false');
if (manifest.os !== undefined) problems.push('package.json has "os": the import works everywhere');
const paths = (value) =>
  typeof value === 'string' ? [value] : Object.values(value).flatMap(paths);
const entries = [manifest.main, manifest.types, manifest.exports ?? [], manifest.bin ?? []];
for (const path of entries.filter(Boolean).flatMap(paths)) {
  if (!names.has(path.replace(/^\.\//, ''))) problems.push(`package.json names ${path}: missing`);
}

for (const problem of problems) process.stdout.write(`tarball: ${problem}\n`);
const addons = [...names].filter((name) => name.endsWith('.node')).length;
process.stdout.write(
  `tarball: ${names.size} files, ${tarball.size} bytes packed, dist ${dist}, ${addons} addons: ${
    problems.length === 0 ? 'as it should be' : `${problems.length} problems`
  }\n`,
);
process.exit(problems.length === 0 ? 0 : 1);
