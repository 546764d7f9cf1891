// The package in Deno, if Deno is installed: `npm install deno` in any folder, and DENO=/path/to/deno or PATH. Deno
// refuses a Node-API call without an environment, and Node does not check it. So a test without Deno checks that no
// call of the addon is made without one.
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiledPackage } from '../support/compiled.js';
import { assert, suite } from '../support/harness.js';
import { sandbox } from '../support/sandbox.js';

const test = suite('deno');
const native = fileURLToPath(new URL('../../native/napi', import.meta.url));

test('no call of Node-API is made without an environment', () => {
  let calls = 0;
  for (const file of readdirSync(native)) {
    const text = readFileSync(join(native, file), 'utf8');
    calls += [...text.matchAll(/\bnapi_\w+\(/g)].length;
    assert.not.match(text, /\bnapi_\w+\(\s*(nullptr|NULL|0)\s*,/, file);
  }
  assert.ok(calls > 10);
});

function denoPath(): string | undefined {
  const deno = process.env.DENO ?? 'deno';
  try {
    execFileSync(deno, ['--version'], { stdio: 'ignore' });
    return deno;
  } catch {
    return undefined;
  }
}

const program = `
import { conntrack } from 'conntrack';
const flow = { src: '10.0.0.1', dst: '10.0.0.2', protocol: 'udp', srcPort: 1, dstPort: 2 };
// The first await: nothing else keeps the loop alive.
const empty = (await conntrack.dump()).length;
const events = conntrack.events({ types: ['new'] });
await conntrack.create({ ...flow, timeout: 60 });
let type;
for await (const event of events) { type = event.type; break; }
const batches = [];
for await (const batch of conntrack.dumpBatches()) batches.push(batch.length);
const found = (await conntrack.getMany([flow])).length;
const deleted = await conntrack.delete(flow);
await conntrack.close();
console.log(JSON.stringify({ empty, type, batches, found, deleted }));
`;

const deno = denoPath();
const namespaces = sandbox();
const reason =
  deno === undefined
    ? 'there is no deno'
    : 'missing' in namespaces
      ? namespaces.missing
      : undefined;
test.when(reason, 'what is awaited is settled, and the process ends by itself', () => {
  const folder = mkdtempSync(join(tmpdir(), 'conntrack-deno-'));
  try {
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(compiledPackage(), join(folder, 'node_modules/conntrack'));
    const bindings = fileURLToPath(new URL('../../node_modules/bindings', import.meta.url));
    symlinkSync(bindings, join(folder, 'node_modules/bindings'));
    writeFileSync(join(folder, 'package.json'), '{ "name": "user", "type": "module" }');
    writeFileSync(join(folder, 'program.js'), program);
    const prefix = 'prefix' in namespaces ? namespaces.prefix : [];
    const argv = [...prefix, deno!, 'run', '-A', join(folder, 'program.js')];
    const output = execFileSync(argv[0]!, argv.slice(1), { encoding: 'utf8', cwd: folder });
    assert.equal(JSON.parse(output), {
      empty: 0,
      type: 'new',
      batches: [1],
      found: 1,
      deleted: true,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
