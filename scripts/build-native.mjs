// Builds the addon with node-gyp: only what changed since the last build, on all cores. `--debug` builds
// build/Debug/conntrack.node, without optimization and with symbols, instead of build/Release/conntrack.node.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeHeaders } from './node-headers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = join(root, 'build/.configured');
const nodeGyp = join(root, 'node_modules/node-gyp/bin/node-gyp.js');

function run(args) {
  const result = spawnSync(process.execPath, [nodeGyp, ...args, '--loglevel=warn'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

const read = (file) => readFileSync(join(root, file), 'utf8');
const versionOf = (module) => JSON.parse(read(`node_modules/${module}/package.json`)).version;
const said = (command) => spawnSync('sh', ['-c', command], { encoding: 'utf8' }).stdout ?? '';

const nodedir = process.env.npm_config_nodedir ?? nodeHeaders();
const options = nodedir === undefined ? [] : [`--nodedir=${nodedir}`];
// make compares times. A file from a package has the time at which the package was made, so make does not
// notice a new version. When one of these versions changes, everything is built again.
const packages = [
  ...[root, process.version, process.arch, nodedir],
  ...[versionOf('node-gyp'), versionOf('node-addon-api')],
  said(`${process.env.CXX ?? 'g++'} --version`),
  said('pkg-config --modversion libnetfilter_conntrack libip4tc'),
].join('\n');
const lists = read('binding.gyp') + read('native/sources.gypi');
const digest = (text) => createHash('sha256').update(text).digest('hex');
const wanted = { packages: digest(packages), lists: digest(lists) };

let present = {};
try {
  present = JSON.parse(readFileSync(stampFile, 'utf8'));
} catch {
  // There is no configuration yet.
}
const fresh = present.packages !== wanted.packages;
if (fresh || present.lists !== wanted.lists) {
  if (nodedir === undefined)
    process.stdout.write('no headers beside node: node-gyp downloads them\n');
  run([...(fresh ? ['clean'] : []), 'configure', ...options]);
  writeFileSync(stampFile, JSON.stringify(wanted));
}
const kind = process.argv.includes('--debug') ? '--debug' : '--release';
run(['build', kind, `--jobs=${process.env.JOBS ?? availableParallelism()}`, ...options]);
