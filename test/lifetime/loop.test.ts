// An idle handle does not keep the process alive. A call that the caller waits for does. A process that does not end
// by itself reaches the runner's time limit.
import { assert, suite } from '../support/harness.js';
import { describe, runNode } from '../support/node-child.js';
import { fill } from '../support/populate.js';

const test = suite('lifetime: event loop');
const rows = 20_000;

test.before(() => {
  fill({ count: rows, profile: 'plain' });
});

const table: [what: string, lines: string[]][] = [
  ['an open handle', []],
  ['a handle that was used', []],
  ['a dump in batches between two of them', ['100']],
  ['a pending dump', [String(rows)]],
  ['a pending batch', ['true']],
  ['a pending lookup, creation and deletion', ['100,100']],
  ['a pending close', ['ERR_NETFILTER_CLOSED']],
  ['signals in the middle of everything', ['true']],
];
for (const [what, lines] of table) {
  test(what, async () => {
    const ended = await runNode('loop.mjs', [what]);
    assert.is(ended.signal, null, describe(ended));
    assert.is(ended.code, 0, describe(ended));
    assert.is(ended.stderr, '', describe(ended));
    assert.equal(ended.lines, lines);
  });
}

test.run();
