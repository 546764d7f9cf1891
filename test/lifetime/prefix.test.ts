// Every prefix of a life, ended in every way, each in its own process. Each exits with 0, without a signal, and
// writes nothing to standard error.
import { availableParallelism } from 'node:os';
import { assert, suite } from '../support/harness.js';
import { describe, runNode } from '../support/node-child.js';
import { fill } from '../support/populate.js';

const test = suite('lifetime: prefixes');
const stepCount = 16;
const endings = ['return', 'exit', 'worker-return', 'worker-exit', 'terminate'];

test.before(() => {
  fill({ count: 20_000, profile: 'plain' });
});

const table = [
  ...endings.map((ending) => ({ ending, mode: '', from: 1 })),
  { ending: 'exit', mode: '--pending', from: 6 },
  { ending: 'terminate', mode: '--pending', from: 6 },
];
for (const { ending, mode, from } of table) {
  test(`${ending}${mode && ', everything pending'}`, async () => {
    const queue = Array.from({ length: stepCount - from + 1 }, (_, i) => from + i);
    const lane = async () => {
      for (let count = queue.shift(); count !== undefined; count = queue.shift()) {
        const ended = await runNode('prefix.mjs', [String(count), ending, mode]);
        const message = `${count} steps: ${describe(ended)}`;
        assert.is(ended.signal, null, message);
        assert.is(ended.code, 0, message);
        assert.is(ended.stderr, '', message);
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, lane));
  });
}

test.run();
