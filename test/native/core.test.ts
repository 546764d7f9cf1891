// The core without Node: its unit tests under the address and undefined-behaviour sanitizers. The
// build itself is a check, for the core is compiled with no include path to Node.
// Limit: 600 s (it builds the core where that was not done before)
import { join } from 'node:path';
import { cmakeBuild } from '../support/cmake.js';
import { assert, suite } from '../support/harness.js';
import { run } from '../support/process.js';

const test = suite('core');

test('unit tests under sanitizers', () => {
  const folder = cmakeBuild('asan', ['-DSANITIZE=address,undefined'], ['core_tests']);
  const output = run([join(folder, 'core_tests')]);
  assert.match(output, /^[1-9]\d* passed, 0 failed$/m);
});

test.run();
