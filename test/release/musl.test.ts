// The tarball on musl: in Bun, which the registry has for musl, with Debian's dynamic linker of musl. There is no node
// for musl in the registry. The libraries are Debian's, and the names of glibc that they want are in glibc-names.c.
// Limit: 900 s
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { assert, suite } from '../support/harness.js';
import { run } from '../support/process.js';
import { enterSandbox } from '../support/sandbox.js';
import { root } from './installed.js';
import { muslBunPath } from './registry.js';
import { runs, sharedTests } from './runtimes.js';

const linker = '/lib/ld-musl-x86_64.so.1';
const reason = [linker, '/usr/bin/musl-gcc'].every((path) => existsSync(path))
  ? undefined
  : 'no musl (Debian: musl-tools)';

/** Makes a folder with the libraries, and returns the words that start Bun. */
function muslBun(): string[] {
  const bun = muslBunPath();
  const folder = join(root, 'build-prebuilds/musl');
  mkdirSync(folder, { recursive: true });
  const netfilter = ['netfilter_conntrack.so.3', 'nfnetlink.so.0', 'mnl.so.0', 'ip4tc.so.2'];
  for (const name of ['stdc++.so.6', 'gcc_s.so.1', 'ip6tc.so.2', ...netfilter]) {
    const path = run(['cc', `-print-file-name=lib${name}`]).trim();
    copyFileSync(path, join(folder, basename(path)));
  }
  const build = (name: string, source: string) =>
    run([
      'musl-gcc',
      '-shared',
      '-fPIC',
      '-w',
      `-Wl,-soname,${name}`,
      '-o',
      join(folder, name),
      source,
    ]);
  const names = 'glibc-names.so';
  build(names, join(root, 'test/release/glibc-names.c'));
  // Debian's C++ library names the linker of glibc as a library, and takes nothing of it.
  const empty = join(folder, 'empty.c');
  writeFileSync(empty, '');
  build('ld-linux-x86-64.so.2', empty);
  return [linker, '--library-path', folder, '--preload', join(folder, names), bun];
}

const loadedProgram = `
  import { readFileSync } from 'node:fs';
  import { basename } from 'node:path';
  import { conntrack } from 'conntrack';
  await conntrack.count();
  const files = readFileSync('/proc/self/maps', 'utf8').match(/\\/\\S+$/gm);
  console.log(JSON.stringify([...new Set(files.map((file) => basename(file)))]));`;

const test = suite('musl');
if (reason === undefined) {
  // Fetched and built while there is a network.
  const command = muslBun();
  enterSandbox();
  test('it is the addon for musl, and no C library of glibc is loaded', () => {
    const loaded = runs<string[]>('loaded.mjs', loadedProgram, ...command);
    assert.ok(loaded.includes('conntrack.musl.node'), loaded.join());
    assert.equal(
      loaded.filter((name) => /^(libc\.so\.6|conntrack\.glibc.*)$/.test(name)),
      [],
    );
  });
  sharedTests(test, 'bun', command);
} else {
  test.skip('all', reason);
}
test.run();
