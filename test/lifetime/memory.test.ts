// Engines that allow no memory outside their heap (Electron, pointer compression) get a copy.
// CONNTRACK_NO_EXTERNAL_MEMORY forces this here. The rows are the same, in memory of the engine.
import { assert, suite } from '../support/harness.js';
import { describe, runNode } from '../support/node-child.js';
import { fill } from '../support/populate.js';

const test = suite('lifetime: memory');

interface Report {
  rows: number;
  batched: number;
  found: number;
  digest: string;
  external: boolean;
}

async function report(env: Record<string, string>): Promise<Report> {
  const ended = await runNode('memory.mjs', [], { env });
  assert.is(ended.code, 0, describe(ended));
  assert.is(ended.stderr, '', describe(ended));
  return JSON.parse(ended.lines[0] ?? '') as Report;
}

test('without external memory the rows are the same', async () => {
  fill({ count: 3000, profile: 'mixed', timeout: 100_000 });
  const external = await report({});
  const copied = await report({ CONNTRACK_NO_EXTERNAL_MEMORY: '1' });
  assert.ok(external.external, 'memory of the addon');
  assert.not(copied.external, 'memory of the engine');
  assert.is(copied.digest, external.digest);
  for (const one of [external, copied]) {
    assert.is(one.rows, 3000);
    assert.is(one.batched, 3000);
    assert.is(one.found, 50);
  }
});

test.run();
