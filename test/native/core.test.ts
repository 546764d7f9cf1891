// The core without Node: its unit tests under the address and undefined-behaviour sanitizers. The build itself is a
// check too, because it has no include path to Node.
// Limit: 1200 s (it builds the core if that was not done before)
import { dirname, join } from 'node:path';
import { buildSanitized } from '../../scripts/sanitizer.mjs';
import { assert, suite } from '../support/harness.js';
import { run } from '../support/process.js';

const test = suite('core');

test('unit tests under sanitizers', () => {
  const output = run([join(dirname(buildSanitized('asan')), 'core_tests')]);
  assert.match(output, /^[1-9]\d* passed, 0 failed$/m);
});

test.run();
