// The example of a program under test: its tests pass, and fail if the program is wrong.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '../support/harness.js';
import { run } from '../support/process.js';

const test = suite('example of a program under test');
const root = fileURLToPath(new URL('../..', import.meta.url));
const place = (name: string) => join(root, 'examples', name);

/** Runs the tests in `file`. They are a process of their own, with a runner of their own. */
const tests = (file: string) =>
  run(['sh', '-c', '"$@" 2>&1 || :', 'sh', process.execPath, '--import', 'tsx', '--test', file], {
    env: { CONNTRACK_ADDON: '/nonexistent' },
  });

test('its tests pass, without the addon', () => {
  const said = tests(place('limit-hosts.test.ts'));
  assert.match(said, /pass 4\n[\s\S]*fail 0\n/);
});

test('they fail if the program cuts nothing', () => {
  const folder = mkdtempSync(join(root, 'build-tests/example-'));
  try {
    const program = readFileSync(place('limit-hosts.ts'), 'utf8');
    const wrong = program.replace('await this.#table.deleteWhere({ src: hosts });', '');
    assert.is.not(wrong, program);
    writeFileSync(join(folder, 'limit-hosts.ts'), wrong);
    const name = join(folder, 'limit-hosts.test.ts');
    writeFileSync(name, readFileSync(place('limit-hosts.test.ts')));
    assert.match(tests(name), /fail 1\n/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
