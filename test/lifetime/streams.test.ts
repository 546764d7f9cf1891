// Streams one after the other, and streams with few descriptors left. A closed stream has closed all its descriptors.
// A missing descriptor is an error. Every stream ends.
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { describe, runNode } from '../support/node-child.js';

const test = suite('lifetime: streams and descriptors');
const kinds = ['events', 'expectations', 'reliable'];

test.before(() => Netns.current.conntrackSysctls({ events: 1 }));

async function child(what: string, limit: number): Promise<readonly string[]> {
  const prefix = ['prlimit', `--nofile=${limit}:${limit}`];
  const ended = await runNode('streams.mjs', [what], { prefix });
  assert.is(ended.stderr, '', describe(ended));
  assert.is(ended.code, 0, describe(ended));
  return ended.lines;
}

test('thousands, one after the other, with 1,024 descriptors and no garbage collection', async () => {
  assert.equal(
    await child('many', 1024),
    kinds.map((kind) => `${kind}: nothing is left`),
  );
});

test('at each step of opening the descriptors run out: an error, or a stream that works and ends', async () => {
  const refused = 'EMFILE conntrack events';
  // A stream can work without every descriptor except its socket.
  const expected = kinds.flatMap((kind) => [
    ...[0, 1, 2, 3, 4, 5].map((left) => `${kind} ${left}: ${left === 0 ? refused : 'works'}`),
    ...[0, 1, 2, 3].map(
      (left) => `worker ${kind} ${left}: ${left === 0 ? refused : 'opens'}, ends`,
    ),
  ]);
  assert.equal(await child('scarce', 256), expected);
});

test.run();
