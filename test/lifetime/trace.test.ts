// NODE_DEBUG=conntrack prints every netlink message on standard error. Without it nothing is printed.
import { assert, suite } from '../support/harness.js';
import { describe, runNode } from '../support/node-child.js';

const test = suite('trace of messages');

const traced = (env: Record<string, string>) => runNode('trace.mjs', [], { env });

test('every message that is sent and received is a line', async () => {
  for (const list of ['conntrack', 'fs,CONN*']) {
    const ended = await traced({ NODE_DEBUG: list });
    assert.is(ended.code, 0, describe(ended));
    assert.equal([...ended.lines], ['new']);
    const told = ended.stderr.split('\n').filter((line) => line.startsWith('CONNTRACK '));
    const has = (pattern: RegExp) =>
      assert.ok(
        told.some((line) => pattern.test(line)),
        `${pattern} in\n${told.join('\n')}`,
      );
    // A creation (CTA_TUPLE_ORIG with 11.0.0.1), its acknowledgement, its event, ENOENT, and a dump to its end.
    has(
      /^CONNTRACK \d+: sent on \d+: ctnetlink message 0 .*sequence \d+ family 2 \{1\{1\{1=0b000001 /,
    );
    has(/: received on \d+: error flags .* errno 0$/);
    has(/: received on \d+: ctnetlink message 0 .* sequence 0 family 2 \{.*1=0b000001/);
    has(/: sent on \d+: ctnetlink message 1 .*1=0b000002/);
    has(/: received on \d+: error flags .* errno 2$/);
    has(/: sent on \d+: ctnetlink message 1 flags request\|0x300 /);
    has(/: received on \d+: done flags .* errno 0$/);
  }
});

test('without NODE_DEBUG nothing is printed', async () => {
  for (const env of [{}, { NODE_DEBUG: '' }, { NODE_DEBUG: 'net,conntracks' }]) {
    const ended = await traced(env);
    assert.is(ended.code, 0, describe(ended));
    assert.not(ended.stderr.includes('CONNTRACK'), ended.stderr);
  }
});

test.run();
