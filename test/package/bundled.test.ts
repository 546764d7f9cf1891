// A program that esbuild or Rollup bundled together with the package. The error names the missing file and says what to do.
// With the package outside the bundle the program works.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { rollup } from 'rollup';
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

interface Job {
  source: string;
  outfile: string;
  format: 'esm' | 'cjs';
  external: string[];
}

const bundlers = {
  async esbuild({ source, outfile, format, external }: Job) {
    const common = { bundle: true, platform: 'node', logLevel: 'silent' } as const;
    await build({ ...common, entryPoints: [source], outfile, format, external });
  },
  async Rollup({ source, outfile, format, external }: Job) {
    const outside = (id: string) => external.includes(id) || id.startsWith('node:');
    const bundle = await rollup({ input: source, external: outside, onwarn: () => {} });
    await bundle.write({ file: outfile, format: format === 'esm' ? 'es' : 'cjs' });
  },
};

/** Bundles a program into `place`, runs it there, and returns the results of count() and parseRule(). */
async function outcomes(
  bundler: keyof typeof bundlers,
  place: string,
  format: 'esm' | 'cjs',
  external: string[],
  from = place,
) {
  const source = join(folder, 'program.mjs');
  const inside = external.includes('conntrack')
    ? 'conntrack'
    : join(compiledPackage(), 'dist/index.js');
  writeFileSync(source, program(inside));
  const outfile = join(place, `program.${format === 'esm' ? 'mjs' : 'cjs'}`);
  mkdirSync(place, { recursive: true });
  const all = ['bindings', 'apache-arrow', ...external];
  await bundlers[bundler]({ source, outfile, format, external: all });
  const env = { NODE_PATH: '', CONNTRACK_ADDON: '' };
  const argv = ['sh', '-c', 'cd "$0" && exec "$@"', from, process.execPath, outfile];
  return JSON.parse(run(argv, { env })) as Record<string, string>[];
}

function isTold(outcome: Record<string, string>): void {
  assert.is(outcome.name, 'NetfilterError', JSON.stringify(outcome));
  assert.is(outcome.code, 'ERR_NETFILTER_ADDON');
  assert.match(outcome.hint!, /mark it external \(esbuild: --external:conntrack/);
  assert.not.match(outcome.message!, /is shipped|node-gyp|the current directory/);
  assert.not.match(outcome.message!, /\n/);
}

for (const bundler of Object.keys(bundlers) as (keyof typeof bundlers)[]) {
  for (const format of ['esm', 'cjs'] as const) {
    const home = join(folder, bundler, format);

    test(`${bundler}, ${format}: without node_modules`, async () => {
      for (const outcome of await outcomes(bundler, join(home, 'alone'), format, []))
        isTold(outcome);
    });

    test(`${bundler}, ${format}: in another package that has the module bindings`, async () => {
      const place = join(home, 'app');
      mkdirSync(join(place, 'node_modules'), { recursive: true });
      writeFileSync(join(place, 'package.json'), '{ "name": "app" }');
      for (const name of ['bindings', 'file-uri-to-path']) {
        symlinkSync(join(root, 'node_modules', name), join(place, 'node_modules', name));
      }
      for (const outcome of await outcomes(bundler, place, format, [])) isTold(outcome);
    });

    test(`${bundler}, ${format}: as an external module it works`, async () => {
      const place = join(home, 'external');
      mkdirSync(join(place, 'node_modules'), { recursive: true });
      symlinkSync(compiledPackage(), join(place, 'node_modules/conntrack'));
      assert.equal(await outcomes(bundler, place, format, ['conntrack']), [
        { value: 'number' },
        { value: 'object' },
      ]);
    });

    test(`${bundler}, ${format}: the current directory decides nothing`, async () => {
      const place = join(home, 'elsewhere');
      const trap = join(home, 'trap');
      mkdirSync(join(trap, 'node_modules/bindings'), { recursive: true });
      writeFileSync(
        join(trap, 'node_modules/bindings/index.js'),
        'module.exports = () => { throw new Error("loaded from the current directory"); };',
      );
      for (const name of ['conntrack.node', 'iptables.cjs', 'package.json']) {
        writeFileSync(join(trap, name), '{ "name": "conntrack" }');
      }
      for (const outcome of await outcomes(bundler, place, format, [], trap)) isTold(outcome);
    });
  }
}

test.run();
