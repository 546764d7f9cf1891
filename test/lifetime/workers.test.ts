// Many environments in one process: a hundred workers that start and end at any time.
import { assert, suite } from '../support/harness.js';
import { describe, runNode } from '../support/node-child.js';
import { fill } from '../support/populate.js';

const test = suite('lifetime: workers');

test.before(() => {
  fill({ count: 2000, profile: 'plain' });
});

for (const seed of [1, 2]) {
  test(`a hundred workers, seed ${seed}`, async () => {
    const ended = await runNode('workers.mjs', [String(seed)]);
    assert.is(ended.signal, null, describe(ended));
    assert.is(ended.code, 0, describe(ended));
    assert.is(ended.stderr, '', describe(ended));
    // Some of the workers to terminate had already ended, but not all.
    const terminated = Number(/^terminated (\d+)$/.exec(ended.lines.at(-1) ?? '')?.[1]);
    assert.ok(terminated > 10, describe(ended));
  });
}

test.run();
