// Dumps over several sockets, and dumps that decode while they receive. Every flow that stays is there exactly once,
// whatever condition splits the table, and although other flows change sides meanwhile.
import { conntrack, type Flow, type FlowBatch } from '../../src/index.js';
import { canonical, identity, oracleFlow } from '../support/compare.js';
import { assert, suite } from '../support/harness.js';
import { fill } from '../support/populate.js';

const test = suite('parallel dumps');

// With so many flows a dump uses a second thread, and `auto` may split the table.
const count = 24_000;

/** Flows by identity, without values that change with time. Fails if a flow is there twice. */
function byIdentity(flows: Iterable<Flow>): Map<string, string> {
  const found = new Map<string, string>();
  for (const flow of flows) {
    const { timeout: _, ...still } = oracleFlow(flow);
    const key = identity(flow);
    assert.not.ok(found.has(key), `twice: ${key}`);
    found.set(key, canonical(still));
  }
  return found;
}

function same(a: Map<string, string>, b: Map<string, string>): void {
  assert.is(a.size, b.size);
  for (const [key, text] of a) assert.is(b.get(key), text);
}

async function inBatches(): Promise<Flow[]> {
  const flows: Flow[] = [];
  for await (const batch of conntrack.dumpBatches({}, { batchSize: 1000 })) flows.push(...batch);
  return flows;
}

for (const profile of ['plain', 'mixed'] as const) {
  test(`all ways to dump show the same flows: ${profile}`, async () => {
    await conntrack.flush();
    fill({ count, profile, timeout: 100_000 });
    const one = byIdentity(await conntrack.dump());
    assert.is(one.size, count);
    same(byIdentity(await inBatches()), one);
    for (const parallel of ['auto', 2, 4] as const) {
      const batch = await conntrack.dump(undefined, { parallel });
      assert.is(batch.stats.undecodable, 0);
      if (typeof parallel === 'number') assert.is.not(batch.stats.sockets, 1);
      same(byIdentity(batch), one);
    }
    const tcp = byIdentity(await conntrack.dump({ protocol: 'tcp' }));
    same(byIdentity(await conntrack.dump({ protocol: 'tcp' }, { parallel: 2 })), tcp);
  });
}

test('flows that change sides meanwhile are never there twice', async () => {
  await conntrack.flush();
  fill({ count, profile: 'plain', timeout: 100_000 });
  const all = await conntrack.dump();
  // Every second flow is ASSURED, which splits the table. Some become ASSURED while it is read; the others stay as
  // they are.
  const plain = [...all.filter({ status: { none: ['assured'] } })];
  const moving = plain.filter((_, i) => i % 2 === 0).map((flow) => identity(flow));
  const still = new Set([...all].map((flow) => identity(flow)));
  for (const key of moving) still.delete(key);
  const change = async () => {
    for (const flow of plain.filter((_, i) => i % 2 === 0)) {
      await conntrack.update(flow, { status: 'assured' });
    }
  };
  const changing = change();
  let going = true;
  void changing.finally(() => {
    going = false;
  });
  const dumps: FlowBatch[] = [];
  while (going) dumps.push(await conntrack.dump(undefined, { parallel: 2 }));
  await changing;
  for (const batch of dumps) {
    const keys = new Set<string>();
    for (const flow of batch) {
      const key = identity(flow);
      assert.not.ok(keys.has(key), `twice: ${key}`);
      keys.add(key);
    }
    for (const key of still) assert.ok(keys.has(key), `missing: ${key}`);
  }
  assert.ok(dumps.length > 1);
});

test.run();
