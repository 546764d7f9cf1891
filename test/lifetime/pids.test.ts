// A container at its limit of threads (a pids cgroup). Every operation rejects with EAGAIN or gives its right result.
// The process survives, and everything works when there is room again.
import { pidsCgroup } from '../support/cgroup.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { describe, runNode } from '../support/node-child.js';

const test = suite('lifetime: pids cgroup');
const group = pidsCgroup();
const missing = 'missing' in group ? group.missing : undefined;
test.after(() => {
  if (!('missing' in group)) group[Symbol.dispose]();
});

interface Report {
  operation: string;
  right: string;
  /** The results with room for no thread, for one, and for two. */
  became: string[];
  after: string;
}

test.when(missing, 'no thread can be started, then one, then two', async () => {
  using elsewhere = Netns.create();
  const folder = 'missing' in group ? '' : group.folder;
  const ended = await runNode('pids.mjs', [folder, elsewhere.path]);
  assert.is(ended.signal, null, describe(ended));
  assert.is(ended.stderr, '', describe(ended));
  assert.is(ended.code, 0, describe(ended));
  const reports = ended.lines.map((line) => JSON.parse(line) as Report);
  const wrong: string[] = [];
  for (const { operation, right, became, after } of reports) {
    if (/^(E[A-Z]+$|\w*Error)/.test(right)) wrong.push(`${operation}: with room ${right}`);
    if (after !== right) wrong.push(`${operation}: afterwards ${after}, before ${right}`);
    became.forEach((what, room) => {
      if (what !== right && what !== 'EAGAIN') wrong.push(`${operation} ${room}: ${what}`);
    });
    // The limit works: without room, only an operation that needs no thread succeeds.
    const none = operation === 'getSync' ? right : 'EAGAIN';
    if (became[0] !== none) wrong.push(`${operation}: ${became[0]} without a thread`);
  }
  assert.equal(wrong, []);
  assert.is(reports.length, 16);
});

test.run();
