// The addons that are in the tarball, and which sources each was built from: a hash of all that decides what is in it,
// noted beside the binaries. Needs no package, because packing begins before there is one.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const notes = join(root, 'prebuilds/sources.json');

/** Every addon of the tarball, and the name that zig has for what it runs on. */
export const targets = ['x64', 'arm64'].flatMap((arch) =>
  ['glibc', 'musl'].map((libc) => {
    const cpu = arch === 'x64' ? 'x86_64' : 'aarch64';
    return {
      name: `linux-${arch}-${libc}`,
      arch,
      libc,
      file: `prebuilds/linux-${arch}/conntrack.${libc}.node`,
      zig: `${cpu}-linux-${libc === 'glibc' ? 'gnu.2.28' : 'musl'}`,
    };
  }),
);

const filesIn = (folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((name) => /\.(cc|h|map)$/.test(name))
    .map((name) => join(folder, name))
    .sort();

export function sourcesHash() {
  const hash = createHash('sha256');
  const lists = [
    'binding.gyp',
    'native/sources.gypi',
    'scripts/prebuild.mjs',
    'scripts/no-demangler.c',
  ];
  for (const file of [...lists, ...filesIn('native/core'), ...filesIn('native/napi')]) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  }
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  hash.update(packages['node_modules/node-addon-api'].version);
  return hash.digest('hex');
}

function read() {
  try {
    return JSON.parse(readFileSync(notes, 'utf8'));
  } catch {
    return {};
  }
}

/** The hash of the sources of a binary, for example `prebuilds/linux-x64/conntrack.musl.node`. */
export const builtFrom = (file) => read()[file];

export function noteSources(file, hash) {
  mkdirSync(join(root, 'prebuilds'), { recursive: true });
  writeFileSync(notes, `${JSON.stringify({ ...read(), [file]: hash }, undefined, 2)}\n`);
}
