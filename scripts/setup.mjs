// Makes a clone ready: installs missing system packages and dependencies, builds the addon and dist.
// Runs before node_modules exists, so it uses only Node. Does nothing if everything is ready.
// `--dev` adds what the tests, the benches and the lint need, `--release` also what the tests of a release need. It
// never asks.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const release = process.argv.includes('--release');
const dev = release || process.argv.includes('--dev');
const linux = process.platform === 'linux';
const stampFile = join(root, '.setup-stamp');
const logFile = join(root, 'setup.log');

const say = (text) => process.stdout.write(`setup: ${text}\n`);
function stop(text) {
  process.stderr.write(`setup: ${text}\n`);
  process.exit(1);
}

// Runs a command with its output in setup.log; shows the end of it only when the command fails.
function run(label, command, args, options = {}) {
  const log = openSync(logFile, 'w');
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', log, log],
    ...options,
    env: { ...process.env, ...options.env },
  });
  closeSync(log);
  if (result.status === 0) return true;
  if (options.mayFail) return false;
  const output = readFileSync(logFile, 'utf8').trimEnd().split('\n');
  process.stderr.write(`${output.slice(-40).join('\n')}\n`);
  const why = result.error?.message ?? (result.signal || `exit code ${result.status}`);
  stop(`${label} failed (${why}); the whole output is in setup.log`);
}

const searchPath = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
const hasCommand = (...names) =>
  names.some((name) => searchPath.some((folder) => existsSync(join(folder, name))));
const hasHeader = (name) =>
  ['/usr/include', '/usr/local/include'].some((folder) => existsSync(join(folder, name)));

// The runtimes of the sanitizers and of libFuzzer come in a package named after clang's version.
let clangMajor = '14';
function hasClangRuntime() {
  const result = spawnSync('clang', ['--version'], { encoding: 'utf8' });
  clangMajor = /version (\d+)\./.exec(result.stdout ?? '')?.[1] ?? clangMajor;
  const folder = spawnSync('clang', ['--print-resource-dir'], { encoding: 'utf8' }).stdout?.trim();
  if (!folder) return false;
  return ['lib', 'share'].some((part) => {
    if (!existsSync(join(folder, part))) return false;
    return readdirSync(join(folder, part), { recursive: true }).some((name) =>
      /libclang_rt\.fuzzer.*\.a$/.test(name),
    );
  });
}

// What is needed: how to find it, and its package in Debian, Fedora and Alpine.
const needs = [
  [() => hasCommand('g++', 'c++'), 'g++', 'gcc-c++', 'g++'],
  [() => hasCommand('make'), 'make', 'make', 'make'],
  [() => hasCommand('python3'), 'python3', 'python3', 'python3'],
  [() => hasCommand('pkg-config', 'pkgconf'), 'pkg-config', 'pkgconf-pkg-config', 'pkgconf'],
  [
    () => hasHeader('libnetfilter_conntrack/libnetfilter_conntrack.h'),
    'libnetfilter-conntrack-dev',
    'libnetfilter_conntrack-devel',
    'libnetfilter_conntrack-dev',
  ],
  [() => hasHeader('libiptc/libiptc.h'), 'libiptc-dev', 'iptables-devel', 'iptables-dev'],
  [() => hasHeader('linux/netlink.h'), 'linux-libc-dev', 'kernel-headers', 'linux-headers'],
  [() => hasCommand('ip'), 'iproute2', 'iproute', 'iproute2'],
  [() => hasCommand('ping'), 'iputils-ping', 'iputils', 'iputils-ping'],
];
const devNeeds = [
  [() => hasCommand('git'), 'git', 'git', 'git'],
  [() => hasCommand('gcc', 'cc'), 'gcc', 'gcc', 'gcc'],
  [() => hasCommand('conntrack'), 'conntrack', 'conntrack-tools', 'conntrack-tools'],
  [() => hasCommand('nft'), 'nftables', 'nftables', 'nftables'],
  // The tests compare the package with both. The demo needs none: there the package writes its own rules.
  [
    () => hasCommand('iptables-legacy') && hasCommand('ip6tables-legacy'),
    'iptables',
    'iptables-legacy',
    'iptables-legacy',
  ],
  [
    () => hasCommand('iptables-nft') && hasCommand('ip6tables-nft'),
    'iptables',
    'iptables-nft',
    'iptables',
  ],
  [() => hasCommand('ipset'), 'ipset', 'ipset', 'ipset'],
  [
    () => hasCommand('unshare') && hasCommand('nsenter') && hasCommand('flock'),
    'util-linux',
    'util-linux',
    'util-linux',
  ],
  [() => hasCommand('mount'), 'mount', 'util-linux', 'mount'],
  [() => hasCommand('ps') && hasCommand('sysctl'), 'procps', 'procps-ng', 'procps'],
  [() => hasHeader('libmnl/libmnl.h'), 'libmnl-dev', 'libmnl-devel', 'libmnl-dev'],
  [() => hasCommand('cmake'), 'cmake', 'cmake', 'cmake'],
  [() => hasCommand('clang'), 'clang', 'clang', 'clang'],
  [() => hasCommand('clang-format'), 'clang-format', 'clang-tools-extra', 'clang-extra-tools'],
  [() => hasCommand('clang-tidy'), 'clang-tidy', 'clang-tools-extra', 'clang-extra-tools'],
  [
    () => hasCommand('clang') && hasClangRuntime(),
    () => `libclang-rt-${clangMajor}-dev`,
    'compiler-rt',
    'compiler-rt',
  ],
  [() => hasCommand('valgrind'), 'valgrind', 'valgrind', 'valgrind'],
];

// Only Debian's names: a release is made there. `/usr/aarch64-linux-gnu` has the libraries that a node for arm64 needs.
const releaseNeeds = [
  [() => hasCommand('qemu-aarch64-static'), 'qemu-user-static'],
  ...[
    ['libc.so.6', 'libc6-arm64-cross'],
    ['libstdc++.so.6', 'libstdc++6-arm64-cross'],
    ['libgcc_s.so.1', 'libgcc-s1-arm64-cross'],
  ].map(([file, name]) => [() => existsSync(`/usr/aarch64-linux-gnu/lib/${file}`), name]),
  [() => hasCommand('musl-gcc'), 'musl-tools'],
];

function missingPackages() {
  const wanted = [...needs, ...(dev ? devNeeds : []), ...(release ? releaseNeeds : [])];
  const missing = wanted.filter(([present]) => !present());
  const names = (column) => {
    const all = missing.map((need) =>
      typeof need[column] === 'function' ? need[column]() : need[column],
    );
    return [...new Set(all)].filter(Boolean);
  };
  return { debian: names(1), fedora: names(2), alpine: names(3), any: missing.length > 0 };
}

function distribution() {
  let release = '';
  try {
    release = readFileSync('/etc/os-release', 'utf8');
  } catch {
    return 'unknown';
  }
  const ids = [...release.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].map((m) => m[1]).join(' ');
  if (/\b(debian|ubuntu)\b/.test(ids)) return 'debian';
  if (/\b(fedora|rhel|centos)\b/.test(ids)) return 'fedora';
  return /\balpine\b/.test(ids) ? 'alpine' : 'unknown';
}

function explainPackages(missing) {
  const commands = {
    debian: `apt-get install -y ${missing.debian.join(' ')}`,
    fedora: `dnf install -y ${missing.fedora.join(' ')}`,
    alpine: `apk add ${missing.alpine.join(' ')}`,
  };
  const here = commands[distribution()];
  if (here !== undefined) stop(`system packages are missing; run as root:\n  ${here}`);
  stop(
    `system packages are missing; install them:\n  Debian: ${commands.debian}\n  Fedora: ${commands.fedora}\n  Alpine: ${commands.alpine}`,
  );
}

function apt(args, mayFail) {
  return run('apt-get', 'apt-get', ['-q', '-y', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    mayFail,
  });
}

function systemPackages() {
  // Twice at most: only the installed clang shows which package has its runtimes.
  for (let round = 0; round < 3; round++) {
    const missing = missingPackages();
    if (!missing.any) return;
    const mayInstall =
      distribution() === 'debian' && process.getuid() === 0 && hasCommand('apt-get');
    if (!mayInstall || round === 2) explainPackages(missing);
    // The package of the runtimes waits until clang is installed.
    const wanted = missing.debian.filter(
      (name) => hasCommand('clang') || !name.startsWith('libclang-rt-'),
    );
    say(`installing ${wanted.join(' ')}`);
    const install = ['install', '--no-install-recommends', ...wanted];
    if (!apt(install, true)) {
      apt(['update'], false);
      apt(install, false);
    }
  }
}

function npm(args) {
  // Inside `npm run` the npm that is running, otherwise the one in the PATH.
  const cli = process.env.npm_execpath;
  return cli !== undefined && /npm-cli\.c?js$/.test(cli)
    ? [process.execPath, [cli, ...args]]
    : ['npm', args];
}

// Whether node_modules is what package-lock.json asks for: npm leaves a lock in it that says what it has.
function dependenciesCurrent() {
  let wanted;
  let present;
  try {
    wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    present = JSON.parse(
      readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8'),
    ).packages;
  } catch {
    return false;
  }
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.link) continue;
    const found = present[path];
    if (found === undefined) {
      const elsewhere =
        entry.libc !== undefined ||
        (entry.os !== undefined && !entry.os.includes(process.platform)) ||
        (entry.cpu !== undefined && !entry.cpu.includes(process.arch));
      // npm leaves out an optional package that is for another system or another Node, and what only that one needs.
      if (entry.peer || (entry.optional && (elsewhere || entry.os === undefined))) continue;
      return false;
    }
    if (found.version !== entry.version) return false;
    if (!existsSync(join(root, path))) return false;
  }
  return true;
}

function filesUnder(path, skip) {
  const full = join(root, path);
  if (skip?.(path) || !existsSync(full)) return [];
  let entries;
  try {
    entries = readdirSync(full, { withFileTypes: true });
  } catch {
    return [path]; // a file, not a folder
  }
  return entries
    .flatMap((entry) =>
      entry.isDirectory()
        ? filesUnder(join(path, entry.name), skip)
        : skip?.(join(path, entry.name))
          ? []
          : [join(path, entry.name)],
    )
    .sort();
}

function hashOf(paths, skip, ...also) {
  const hash = createHash('sha256');
  for (const file of paths.flatMap((path) => filesUnder(path, skip))) {
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0');
  }
  return hash.update(also.join('\0')).digest('hex');
}

function versionOf(module) {
  return JSON.parse(readFileSync(join(root, 'node_modules', module, 'package.json'), 'utf8'))
    .version;
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {};
  }
}

const began = Date.now();
let done = 0;
if (linux) systemPackages();
else say('this is not Linux: the addon is not built, only dist (support() will say so)');

if (!dependenciesCurrent()) {
  say('npm ci');
  run('npm ci', ...npm(['ci', '--no-audit', '--no-fund', '--loglevel=error']));
  done++;
}

const stamp = readStamp();
if (linux) {
  const inTests = (path) => path === 'native/test';
  const native = hashOf(
    ['native', 'binding.gyp'],
    inTests,
    process.arch,
    versionOf('node-addon-api'),
  );
  if (stamp.native !== native || !existsSync(join(root, 'build/Release/conntrack.node'))) {
    say('building the addon');
    run('native build', ...npm(['run', 'build:native']));
    writeFileSync(stampFile, JSON.stringify({ ...stamp, native }));
    stamp.native = native;
    done++;
  }
}

const dist = hashOf(
  ['src', 'tsconfig.json', 'tsconfig.build.json', 'scripts/bundle.mjs', 'scripts/declarations.mjs'],
  undefined,
  versionOf('typescript'),
  versionOf('esbuild'),
);
if (stamp.dist !== dist || !existsSync(join(root, 'dist/index.js'))) {
  say('building dist');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  run('build of dist', ...npm(['run', 'build:ts']));
  writeFileSync(stampFile, JSON.stringify({ ...stamp, dist }));
  done++;
}
rmSync(logFile, { force: true });
if (done > 0) say(`ready in ${((Date.now() - began) / 1000).toFixed(1)} s`);
