// What support() says about the JavaScript runtime: its name, and the permissions that it was started without.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Support, support } from '../../src/index.js';
import { compiledPackage } from '../support/compiled.js';
import { assert, suite } from '../support/harness.js';
import { run } from '../support/process.js';

const test = suite('runtime');
const root = fileURLToPath(new URL('../..', import.meta.url));

test('this is Node, and it keeps nothing from the package', () => {
  assert.equal(support().runtime, { name: 'node', version: process.versions.node, lacks: [] });
});

/** support() in a Node that has only these permissions. */
function permitted(...permissions: readonly string[]): Support {
  const [major = 0] = process.versions.node.split('.').map(Number);
  const flag = major < 22 ? '--experimental-permission' : '--permission';
  const entry = JSON.stringify(pathToFileURL(join(compiledPackage(), 'dist/index.js')));
  const program = `import { support } from ${entry}; console.log(JSON.stringify(support()));`;
  const node = [process.execPath, '--no-warnings', flag, ...permissions];
  return JSON.parse(run([...node, '--input-type=module', '--eval', program]));
}
const noProc = /^the files of \/proc \(.*--allow-fs-read=\/proc\)/;

test('files of the package alone: all works, and support() says that it cannot see /proc', () => {
  const { usable, runtime, privileges } = permitted('--allow-addons', `--allow-fs-read=${root}*`);
  assert.is(usable, true);
  assert.is(runtime.lacks.length, 1);
  assert.match(runtime.lacks[0]!, noProc);
  assert.equal(privileges, { netAdmin: false, netRaw: false, sysAdmin: false });
});

test('all files: nothing is lacking', () => {
  const { usable, runtime, conntrack } = permitted('--allow-addons', '--allow-fs-read=*');
  assert.is(usable, true);
  assert.equal(runtime.lacks, []);
  assert.equal(conntrack, support().conntrack);
});

test('no addons: the reason names the option', () => {
  const { usable, reason } = permitted('--allow-fs-read=*');
  assert.is(usable, false);
  assert.match(reason!, /--allow-addons/);
});

test.run();
