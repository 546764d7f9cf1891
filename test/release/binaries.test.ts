// The binaries in the tarball: what they need and export, and that the dynamic linkers of musl load them.
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addonProblems } from '../../scripts/check-addon.mjs';
import { targets } from '../../scripts/prebuild-targets.mjs';
import { assert, suite } from '../support/harness.js';
import { run } from '../support/process.js';
import { root } from './installed.js';

const test = suite('binaries');
const folder = mkdtempSync(join(tmpdir(), 'conntrack-binaries-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

for (const target of targets) {
  test(`${target.name}: needs only what every such system has`, () => {
    assert.equal(addonProblems(join(root, target.file), target), []);
  });
}

test('a binary that is for another system, needs more or exports more is refused', () => {
  const [x64, , arm64] = targets;
  assert.match(addonProblems(join(root, arm64!.file), x64!).join(), /is for AArch64/);
  assert.match(addonProblems(join(root, 'build/Release/conntrack.node'), x64!).join(), /GLIBCXX/);
  const bad = join(folder, 'bad.node');
  const source = join(folder, 'bad.c');
  writeFileSync(
    source,
    `#include <unistd.h>
    extern void napi_future(void);
    void more(void) { napi_future(); closefrom(3); }
    void napi_register_module_v1(void) { more(); }`,
  );
  run(['cc', '-w', '-shared', '-fPIC', '-g', '-o', bad, source]);
  const problems = addonProblems(bad, x64!).join('; ');
  for (const one of [/needs closefrom of GLIBC_2\.34/, /napi_future/, /exports more/, /stripped/]) {
    assert.match(problems, one);
  }
});

const { symbols } = createRequire(import.meta.url)('node-api-headers') as {
  symbols: { v9: { js_native_api_symbols: string[]; node_api_symbols: string[] } };
};

/** The C library itself, and its dynamic linker. */
const musl = '/lib/ld-musl-x86_64.so.1';
const reason = [musl, '/usr/bin/musl-gcc'].every((path) => existsSync(path))
  ? undefined
  : 'no musl (Debian: musl-tools)';

test.when(reason, 'musl loads the one for x64', () => {
  const names = [...symbols.v9.js_native_api_symbols, ...symbols.v9.node_api_symbols];
  writeFileSync(join(folder, 'musl-host.h'), names.map((name) => `NAME(${name})\n`).join(''));
  copyFileSync(join(root, 'test/release/musl-host.c'), join(folder, 'musl-host.c'));
  const host = join(folder, 'host');
  run(['musl-gcc', '-rdynamic', '-w', '-o', host, join(folder, 'musl-host.c')]);
  assert.is(run([host, join(root, 'prebuilds/linux-x64/conntrack.musl.node')]).trim(), 'loaded');
  assert.throws(
    () => run([host, join(root, 'prebuilds/linux-x64/conntrack.glibc.node')]),
    /exit code 1/,
  );
});

/** The names that a file takes from others (`UND`), or that it has for others. */
const dynamicNames = (file: string, needed: boolean) =>
  run(['readelf', '-W', '--dyn-syms', file])
    .split('\n')
    .flatMap((line) => / (?:GLOBAL|WEAK) +\w+ +(\w+) ([^\s@]+)/.exec(line)?.slice(1) ?? [])
    .flatMap((word, i, words) =>
      i % 2 === 1 && (words[i - 1] === 'UND') === needed ? [word] : [],
    );

for (const arch of ['x64', 'arm64']) {
  test.when(reason, `musl has every name that the one for ${arch} needs`, () => {
    const offered = new Set(dynamicNames(musl, false));
    const file = join(root, `prebuilds/linux-${arch}/conntrack.musl.node`);
    const needed = dynamicNames(file, true).filter((name) => !/^(?:napi|node_api)_/.test(name));
    assert.ok(needed.length > 50 && offered.size > 1000, `${needed.length} ${offered.size}`);
    assert.equal(
      needed.filter((name) => !offered.has(name)),
      [],
    );
  });
}

test.run();
