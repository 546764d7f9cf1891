// The binaries in the tarball: what they need and export, and that the dynamic linkers of musl load them.
// Limit: 900 s
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addonProblems } from '../../scripts/check-addon.mjs';
import { compilers, findZig } from '../../scripts/prebuild.mjs';
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

for (const [arch, loader] of [
  ['x64', '/lib/ld-musl-x86_64.so.1'],
  ['arm64', '/lib/ld-musl-aarch64.so.1'],
] as const) {
  const reason = existsSync(loader) ? undefined : `no ${loader} (Debian: musl)`;
  const target = targets.find(({ name }) => name === `linux-${arch}-musl`)!;
  test.when(reason, `${target.name}: musl loads it`, () => {
    const names = [...symbols.v9.js_native_api_symbols, ...symbols.v9.node_api_symbols];
    writeFileSync(join(folder, 'musl-host.h'), names.map((name) => `NAME(${name})\n`).join(''));
    copyFileSync(join(root, 'test/release/musl-host.c'), join(folder, 'musl-host.c'));
    const host = join(folder, `host-${arch}`);
    const { CC } = compilers(findZig(), target);
    // Without -dynamic zig links musl statically.
    run([CC, '-dynamic', '-rdynamic', '-w', '-o', host, join(folder, 'musl-host.c'), '-ldl']);
    assert.is(run([host, join(root, target.file)]).trim(), 'loaded');
  });
}

test('both musl binaries need the same names of the C library', () => {
  const names = (arch: string) => {
    const file = join(root, `prebuilds/linux-${arch}/conntrack.musl.node`);
    const lines = run(['readelf', '-W', '--dyn-syms', file]).split('\n');
    return lines.flatMap((line) => / UND (\S+)/.exec(line)?.[1] ?? []).sort();
  };
  assert.ok(names('x64').length > 50);
  assert.equal(names('arm64'), names('x64'));
});

test.run();
