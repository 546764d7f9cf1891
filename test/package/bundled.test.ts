// A program that was bundled together with the package. The error names the missing file and says what to do.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { compiledPackage } from '../support/compiled.js';
import { assert, suite } from '../support/harness.js';
import { run } from '../support/process.js';

const test = suite('bundled');
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'conntrack-bundled-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const program = (from: string) => `
import { conntrack, parseRule } from ${JSON.stringify(from)};
(async () => {
  const report = ({ name, code, hint, message }) => ({ name, code, hint, message });
  const of = async (work) => { try { return { value: typeof (await work()) }; } catch (error) { return report(error); } };
  console.log(JSON.stringify([await of(() => conntrack.count()), await of(() => parseRule('-j ACCEPT'))]));
})();`;

/** Bundles a program into `place`, runs it there, and returns the results of count() and parseRule(). */
async function outcomes(place: string, format: 'esm' | 'cjs', external: string[]) {
  const source = join(folder, 'program.mjs');
  const inside = external.includes('conntrack')
    ? 'conntrack'
    : join(compiledPackage(), 'dist/index.js');
  writeFileSync(source, program(inside));
  const outfile = join(place, `program.${format === 'esm' ? 'mjs' : 'cjs'}`);
  mkdirSync(place, { recursive: true });
  await build({
    entryPoints: [source],
    bundle: true,
    platform: 'node',
    format,
    external: ['bindings', 'apache-arrow', ...external],
    outfile,
    logLevel: 'silent',
  });
  const env = { NODE_PATH: '', CONNTRACK_ADDON: '' };
  const argv = ['sh', '-c', 'cd "$0" && exec "$@"', place, process.execPath, outfile];
  return JSON.parse(run(argv, { env })) as Record<string, string>[];
}

function isTold(outcome: Record<string, string>): void {
  assert.is(outcome.name, 'NetfilterError', JSON.stringify(outcome));
  assert.is(outcome.code, 'ERR_NETFILTER_ADDON');
  assert.match(outcome.hint!, /mark it external \(esbuild: --external:conntrack/);
  assert.not.match(outcome.message!, /is shipped|node-gyp/);
  assert.not.match(outcome.message!, /\n/);
}

for (const format of ['esm', 'cjs'] as const) {
  test(`${format}: without node_modules`, async () => {
    for (const outcome of await outcomes(join(folder, format, 'alone'), format, []))
      isTold(outcome);
  });

  test(`${format}: in another package that has the module bindings`, async () => {
    const place = join(folder, format, 'app');
    mkdirSync(join(place, 'node_modules'), { recursive: true });
    writeFileSync(join(place, 'package.json'), '{ "name": "app" }');
    for (const name of ['bindings', 'file-uri-to-path']) {
      symlinkSync(join(root, 'node_modules', name), join(place, 'node_modules', name));
    }
    for (const outcome of await outcomes(place, format, [])) isTold(outcome);
  });

  test(`${format}: as an external module it works`, async () => {
    const place = join(folder, format, 'external');
    mkdirSync(join(place, 'node_modules'), { recursive: true });
    symlinkSync(compiledPackage(), join(place, 'node_modules/conntrack'));
    assert.equal(await outcomes(place, format, ['conntrack']), [
      { value: 'number' },
      { value: 'object' },
    ]);
  });
}

test.run();
