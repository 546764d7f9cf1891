// The only loader of the addon: finds the built or shipped binary on first use and explains a failure.
// Importing this file does nothing.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromNative, type NativeFailure, NetfilterError, unsupported } from '../errors.js';
import type { Binding } from './binding.js';
import { isDenied } from './denied.js';

/** This file. Where a bundler made CommonJS of it, there is no `import.meta.url`, and the bundle has a `__filename`. */
const place = (): string => import.meta.url ?? __filename;

/** Where package.json is: two levels above src/native, one above the bundle in dist. */
function packageRoot(): string {
  const here = dirname(place().startsWith('file:') ? fileURLToPath(place()) : place());
  for (let folder = here; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) return here;
  }
}

let loaded: Binding | undefined;

/** `glibc` or `musl`: which of the shipped binaries fits this process. */
function libc(): 'glibc' | 'musl' {
  // Collecting interfaces would take milliseconds and is not wanted.
  const report = process.report as typeof process.report & { excludeNetwork?: boolean };
  const before = report.excludeNetwork ?? false;
  report.excludeNetwork = true;
  const header = (report.getReport() as { header?: { glibcVersionRuntime?: string } }).header;
  report.excludeNetwork = before;
  return header?.glibcVersionRuntime ? 'glibc' : 'musl';
}

/** The hint for a program that was bundled with this package inside, or copied without its modules. */
const bundled =
  'this package was bundled into a program, or copied without node_modules: mark it external (esbuild: --external:conntrack; Rollup, webpack: `external`, `externals`) and keep node_modules/conntrack beside the program';

/** Whether this file is no longer in the package that it came with. */
function isBundled(): boolean {
  if (import.meta.url === undefined) return true;
  try {
    const { name } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
    return name !== 'conntrack';
  } catch {
    return true;
  }
}

/** What a build from source needs, by distribution. The README has the same list. */
const installs: readonly (readonly [distribution: RegExp, command: string])[] = [
  [
    /debian|ubuntu/,
    'apt-get install -y g++ make python3 pkg-config linux-libc-dev libnetfilter-conntrack-dev libiptc-dev',
  ],
  [
    /fedora|rhel|centos/,
    'dnf install -y gcc-c++ make python3 pkgconf libnetfilter_conntrack-devel iptables-devel',
  ],
  [
    /alpine/,
    'apk add g++ make python3 pkgconf linux-headers libnetfilter_conntrack-dev iptables-dev',
  ],
];

/** The two commands that build the addon on this system. */
function fromSource(): string {
  let release = '';
  try {
    release = readFileSync('/etc/os-release', 'utf8');
  } catch {
    // No file says what system this is: the first command names what is needed.
  }
  const ids = [...release.matchAll(/^ID(?:_LIKE)?=(.*)$/gm)].map(([, id]) => id).join(' ');
  const [, install] = installs.find(([distribution]) => distribution.test(ids)) ?? installs[0]!;
  return `build it with "${install}" and "npx node-gyp rebuild --directory '${packageRoot()}'"`;
}

function explain(error: unknown, override: string | undefined): NetfilterError {
  const code = (error as { code?: string }).code;
  // `bindings` lists what it tried on lines of its own: errors here are one line.
  const text = error instanceof Error ? error.message : String(error);
  const message = text.trim().replace(/\s*\n\s*/g, ' ');
  let hint: string;
  if (code === 'ERR_DLOPEN_DISABLED' || /--allow-addons|no-addons/.test(message)) {
    hint =
      'Node was started without addons: drop --no-addons, or add --allow-addons to --permission';
  } else if (isDenied(error)) {
    hint =
      'the runtime was started without this permission: "deno run --allow-all", or --allow-fs-read with the folder of this package for "node --permission"';
  } else if (override) {
    hint = 'CONNTRACK_ADDON names this file: build it, or unset the variable';
  } else if (isBundled() || (code === 'MODULE_NOT_FOUND' && /'bindings'/.test(message))) {
    hint = bundled;
  } else if (code === 'MODULE_NOT_FOUND' || /Could not locate the bindings file/.test(message)) {
    hint = `no binary for ${process.platform}-${process.arch} is shipped: ${fromSource()}`;
  } else {
    hint = `the binary does not fit this system: ${fromSource()}`;
  }
  return new NetfilterError(`load addon: ERR_NETFILTER_ADDON: ${message}; ${hint}`, {
    code: 'ERR_NETFILTER_ADDON',
    operation: 'load addon',
    hint,
    cause: error,
  });
}

function load(): Binding {
  if (process.platform !== 'linux') throw unsupported('load addon', 'platform');
  let override: string | undefined;
  try {
    override = process.env.CONNTRACK_ADDON;
    const require = createRequire(place());
    if (override) return require(resolve(override)) as Binding;
    const bindings = require('bindings') as (options: object) => Binding;
    return bindings({
      bindings: 'conntrack',
      module_root: packageRoot(),
      tuple: `${process.platform}-${process.arch}`,
      file: `conntrack.${libc()}.node`,
      try: [
        ['module_root', 'build', 'Release', 'bindings'],
        ['module_root', 'prebuilds', 'tuple', 'file'],
      ],
    });
  } catch (error) {
    throw explain(error, override);
  }
}

/** A file of this package beside this one: what dist/index.js loads late. Throws a NetfilterError. */
export function requireBeside(file: string): unknown {
  try {
    return createRequire(place())(file);
  } catch (error) {
    if (!isBundled()) throw error;
    throw explain(error, undefined);
  }
}

/** The addon; loaded at the first call. Throws a NetfilterError that says what to do. */
export function addon(): Binding {
  loaded ??= load();
  return loaded;
}

function isFailure(value: unknown): value is NativeFailure {
  return typeof value === 'object' && value !== null && 'errno' in value && 'operation' in value;
}

/** Makes the typed error of whatever native code threw or rejected with. */
export function nativeError(thrown: unknown): unknown {
  return isFailure(thrown) && !(thrown instanceof Error) ? fromNative(thrown) : thrown;
}

/** Runs a synchronous native call with typed errors; of the addon, where no other binding is given. */
export function call<T>(run: (binding: Binding) => T, binding?: Binding): T {
  try {
    return run(binding ?? addon());
  } catch (thrown) {
    throw nativeError(thrown);
  }
}

/** Awaits a native call with typed errors (whose stack is that of the caller). */
export async function callAsync<T>(run: (binding: Binding) => Promise<T>): Promise<T> {
  try {
    return await run(addon());
  } catch (thrown) {
    throw nativeError(thrown);
  }
}
