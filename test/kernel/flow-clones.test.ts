// Copies of flows that have the prototype of Flow, as lodash makes them. Every call that takes a flow reads their own
// fields. An object with the prototype and without the fields is not a flow.
// Kernels: linux, memory
import { Flow, type FlowInit, type TupleInit } from '../../src/index.js';
import { assert, suite, throws } from '../support/harness.js';
import { conntrack } from '../support/table.js';

const test = suite('clones of flows');

const init = (port: number): FlowInit => ({
  protocol: 'tcp',
  orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: port, dstPort: 80 },
  state: 'ESTABLISHED',
  timeout: 600,
  mark: 7,
});

/** An object with the same fields and the same prototypes. */
function clone(flow: Flow): Flow {
  const behind = <T extends object>(from: T, fields: object): T =>
    Object.assign(Object.create(Object.getPrototypeOf(from) as object), fields) as T;
  const sides = { orig: behind(flow.orig, flow.orig), reply: behind(flow.reply, flow.reply) };
  return behind(flow, { ...flow, ...sides });
}

test('a clone names the flow in every call', async () => {
  for (const port of [1, 2]) await conntrack.create(init(port));
  const flow = (await conntrack.get(init(1) as TupleInit))!;
  const copy = clone(flow);
  assert.ok(copy instanceof Flow);
  assert.is(String(copy), String(flow));
  assert.equal(JSON.parse(JSON.stringify(copy)), JSON.parse(JSON.stringify(flow)));
  const id = (found: Flow | undefined) => found?.id;
  assert.is(id(await conntrack.get(copy)), flow.id);
  assert.is(id(conntrack.getSync(copy)), flow.id);
  assert.equal((await conntrack.getMany([copy, flow])).map(id), [flow.id, flow.id]);
  assert.equal(await conntrack.expectations.list({ master: copy }), []);
  assert.is(await conntrack.update(copy, { mark: 8 }), true);
  await conntrack.upsert(copy);
  assert.is((await conntrack.get(flow))!.mark, 7);
  assert.is(await conntrack.delete(copy), true);
  assert.is(await conntrack.delete(copy), false);
  await conntrack.create(copy);
  const made = (await conntrack.get(init(1) as TupleInit))!;
  assert.is(made.mark, 7);
  await conntrack.delete(made);
  assert.equal((await conntrack.createMany([clone(made)])).created, 1);
  await conntrack.flush();
});

test('the prototype without the fields names nothing', async () => {
  await conntrack.create(init(1));
  const flow = (await conntrack.get(init(1) as TupleInit))!;
  for (const hollow of [Object.create(flow), Object.create(Flow.prototype)] as Flow[]) {
    await throws(TypeError, /^tuple/, () => conntrack.getSync(hollow));
    await throws(TypeError, /^tuple/, () => conntrack.get(hollow));
    await throws(TypeError, /^tuples\[0\]/, () => conntrack.getMany([hollow]));
    await throws(TypeError, /^target/, () => conntrack.update(hollow, { mark: 1 }));
    await throws(TypeError, /^target/, () => conntrack.delete(hollow));
    await throws(TypeError, /^flow/, () => conntrack.create(hollow));
    await throws(TypeError, /^flow/, () => conntrack.upsert(hollow));
    await throws(TypeError, /^options\.master/, () =>
      conntrack.expectations.list({ master: hollow }),
    );
    const { created, failed } = await conntrack.createMany([hollow as unknown as FlowInit]);
    assert.is(created, 0);
    assert.match(failed[0]!.error.message, /^flows\[0\]/);
    const side = Object.create(Object.getPrototypeOf(flow.orig) as object) as object;
    await throws(TypeError, /^filter: is empty/, () => conntrack.deleteWhere({ orig: side }));
    await throws(TypeError, /^filter/, () => conntrack.deleteWhere(hollow as object));
  }
  assert.is((await conntrack.dump()).length, 1);
  await conntrack.flush();
});

test.run();
