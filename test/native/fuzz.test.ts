// A short run of each fuzzer of native/test from a fixed start. It shows that the fuzzers still build, and that bugs
// which they found have not come back. For long runs see CMakeLists.txt.
// Limit: 1200 s (it builds the core if that was not done before)
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cmakeBuild } from '../support/cmake.js';
import { assert, suite } from '../support/harness.js';
import { run } from '../support/process.js';

const test = suite('fuzz');
const sources = readdirSync(fileURLToPath(new URL('../../native/test', import.meta.url)));
const fuzzers = sources.filter((name) => /^fuzz_.*\.cc$/.test(name));

test('fuzzers find nothing in a short run', () => {
  const clang = ['-DFUZZ=ON', '-DCMAKE_C_COMPILER=clang', '-DCMAKE_CXX_COMPILER=clang++'];
  const targets = fuzzers.map((name) => basename(name, '.cc'));
  const folder = cmakeBuild('fuzz', clang, ['seeds', ...targets]);
  const output = run(['ctest', '--test-dir', folder, '-R', 'fuzz_', '--output-on-failure']);
  // The seeds are a test of their own, which the fuzzers need.
  assert.match(output, new RegExp(`0 tests failed out of ${fuzzers.length + 1}\\b`));
});

test.run();
