// What a shipped addon may need and may export. It has to load on every system of its kind, beside every other addon.
// Needs readelf(1), which reads the files of all architectures.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** The oldest glibc that must do: that of Debian 10, RHEL 8 and Ubuntu 18.10. */
const oldestGlibc = [2, 28];
/** In bytes. */
const largest = 1_450_000;

const machines = { x64: 'Advanced Micro Devices X86-64', arm64: 'AArch64' };
const libraries = {
  glibc: /^(?:lib(?:c\.so\.6|dl\.so\.2|pthread\.so\.0|m\.so\.6)|ld-linux-[\w-]+\.so\.\d)$/,
  musl: /^libc\.so$/,
};
const entries = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

/** What Node has under Node-API 9. A program that lacks one of them cannot load the addon. */
function nodeSymbols() {
  const { v9 } = require('node-api-headers').symbols;
  return new Set([...v9.js_native_api_symbols, ...v9.node_api_symbols]);
}

function readelf(file, ...flags) {
  const { status, stdout, error, stderr } = spawnSync('readelf', ['-W', ...flags, file], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`readelf ${file}: ${error?.message ?? stderr}`);
  return stdout;
}

/** The symbols that the file takes from others and those that it offers, with the version of each. */
function symbolsOf(file) {
  const needed = new Map();
  const offered = [];
  for (const line of readelf(file, '--dyn-syms').split('\n')) {
    const found = /^\s*\d+: \w+\s+\d+ \w+\s+(GLOBAL|WEAK)\s+\w+\s+(\w+) ([^@\s]+)(?:@+(\S+))?/.exec(
      line,
    );
    if (found === null) continue;
    const [, , section, name, version] = found;
    if (section === 'UND') needed.set(name, version);
    else offered.push(name);
  }
  return { needed, offered };
}

const isLater = ([major, minor]) =>
  major > oldestGlibc[0] || (major === oldestGlibc[0] && minor > oldestGlibc[1]);

/** Why the file must not be shipped for `{ arch, libc }`. An empty list if it may. */
export function addonProblems(file, { arch, libc }) {
  const problems = [];
  const content = readFileSync(file);
  if (content.length > largest) problems.push(`${content.length} bytes, allowed ${largest}`);
  const machine = /Machine:\s*(.*)/.exec(readelf(file, '-h'))?.[1];
  if (machine !== machines[arch]) problems.push(`is for ${machine}`);
  const sections = readelf(file, '-S');
  if (/\.debug_info|\.symtab/.test(sections)) problems.push('is not stripped');

  for (const [, name] of readelf(file, '-d').matchAll(/\(NEEDED\).*\[(.*)\]/g)) {
    if (!libraries[libc].test(name)) problems.push(`needs the library ${name}`);
  }
  const { needed, offered } = symbolsOf(file);
  const known = nodeSymbols();
  for (const [name, version] of needed) {
    const glibc = /^GLIBC_(\d+)\.(\d+)/.exec(version ?? '');
    if (glibc !== null && libc === 'glibc') {
      if (isLater([Number(glibc[1]), Number(glibc[2])]))
        problems.push(`needs ${name} of ${version}`);
    } else if (version !== undefined) {
      problems.push(`needs ${name} of ${version}`);
    } else if (/^(?:napi|node_api)_/.test(name) ? !known.has(name) : /^_Z|^node/.test(name)) {
      problems.push(`needs ${name}, which is not in Node-API 9`);
    }
  }
  for (const name of offered) {
    if (!entries.includes(name)) problems.push(`exports ${name}`);
  }
  if (!offered.includes(entries[0])) problems.push(`does not export ${entries[0]}`);
  return problems;
}
