// The tarball of a release: its files and sizes, and its types as other tools resolve them.
// Limit: 600 s
import { join } from 'node:path';
import { assert, suite } from '../support/harness.js';
import { run } from '../support/process.js';
import { root, tarball } from './installed.js';

const test = suite('tarball of a release');

test('it has exactly the right files, and all binaries', () => {
  run([process.execPath, join(root, 'scripts/check-tarball.mjs'), '--release']);
});

test('are-the-types-wrong finds nothing, by import and by require', () => {
  // The rule that is left out says that require() of a module is an error. Every Node that the package supports allows it.
  const attw = ['npx', '--yes', '--package=@arethetypeswrong/cli@0.18.5', 'attw'];
  const options = ['--ignore-rules', 'cjs-resolves-to-esm', '--no-emoji', '--no-color'];
  assert.match(run([...attw, tarball(), ...options]), /No problems found/);
});

test.run();
