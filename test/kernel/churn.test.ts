// Dumps of a table that changes all the time: every flow that stays is in each dump exactly once.
import { conntrack, type FlowBatch } from '../../src/index.js';
import { identity } from '../support/compare.js';
import { assert, suite } from '../support/harness.js';
import { Churn, fill } from '../support/populate.js';

const test = suite('dump under churn');
const standing = 3000;

/** Flows of the churn have a different first byte. */
const isStanding = (src: string) => src.startsWith('10.') || src.startsWith('fd0a:');

async function names(batch: FlowBatch): Promise<{ standing: string[]; passing: number }> {
  const all = [...batch].filter((flow) => isStanding(flow.orig.src));
  return { standing: all.map(identity).sort(), passing: batch.length - all.length };
}

test('dump, dumpBatches and filtered dumps have every standing flow once', async () => {
  fill({ count: standing, seed: 71 });
  const expected = (await names(await conntrack.dump())).standing;
  assert.is(new Set(expected).size, standing);
  const marked = (await conntrack.dump({ mark: { value: 1, mask: 1 }, src: '10.0.0.0/8' })).length;

  await using churn = await Churn.start({ live: 3000, seed: 72, maxSeconds: 60 });
  let passing = 0;
  for (let round = 0; round < 12; round++) {
    const dumped = await names(await conntrack.dump());
    assert.equal(dumped.standing, expected);
    passing += dumped.passing;

    const found: string[] = [];
    for await (const batch of conntrack.dumpBatches(undefined, { batchSize: 500 + round })) {
      found.push(...(await names(batch)).standing);
    }
    assert.equal(found.sort(), expected);

    const some = await conntrack.dump({ mark: { value: 1, mask: 1 }, src: '10.0.0.0/8' });
    assert.is(some.length, marked);
    assert.is(some.stats.undecodable, 0);
  }
  const { created } = await churn.stop();
  assert.ok(passing > 10_000, `only ${passing} flows of the churn were seen`);
  assert.ok(created > 10_000, `only ${created} flows came and went`);
  assert.equal((await names(await conntrack.dump())).standing, expected);
});

test('a filtered delete under churn deletes the standing flows that match, and nothing else', async () => {
  await using churn = await Churn.start({ live: 2000, seed: 73, maxSeconds: 60 });
  const filter = { src: '10.0.0.0/8' };
  const expected = (await names(await conntrack.dump(filter))).standing;
  const others = (await names(await conntrack.dump({ family: 'ipv6' }))).standing;
  const deleted = await conntrack.deleteWhere(filter, { returning: true });
  assert.equal([...deleted].map(identity).sort(), expected);
  assert.equal((await names(await conntrack.dump())).standing, others);
  await churn.stop();
  assert.equal([...(await conntrack.dump())].map(identity).sort(), others);
});

test.run();
