// A flow that was read behaves like the object that it looks like: code that copies, compares or prints it sees all
// its fields, and no others.
import { deepStrictEqual, notDeepStrictEqual } from 'node:assert';
import { inspect } from 'node:util';
import type { Flow, FlowBatch } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';
import { batch, type Shape } from '../support/made-batch.js';
import { Random } from '../support/random.js';

const test = suite('copies of flows');

const shapes: Shape[] = [
  { rows: 300, ipv6: 0, group: 0, bits: 20 },
  { rows: 300, ipv6: 40, group: 2, bits: 63 },
  { rows: 300, ipv6: 100, group: 4, bits: 20 },
];
const batches = shapes.map((shape, i) => batch(new Random(i + 1), shape));

function each(check: (flow: Flow, whole: FlowBatch) => void): void {
  for (const whole of batches) {
    for (const flow of whole) check(flow, whole);
    // Rows of a filter and of a slice are those of the batch.
    for (const flow of whole.filter(({ mark }) => mark !== 1).slice(1, 20)) check(flow, whole);
  }
}

test('spread, Object.assign and structuredClone copy the fields of a flow and of its sides', () => {
  each((flow) => {
    const object = flow.toObject();
    const { orig, reply, ...rest } = flow;
    deepStrictEqual({ ...rest, orig: { ...orig }, reply: { ...reply } }, object);
    const assigned = Object.assign({}, flow);
    deepStrictEqual(Object.keys(assigned), Object.keys(object));
    deepStrictEqual(structuredClone(flow) as unknown, object);
    deepStrictEqual(structuredClone(flow.orig) as unknown, object.orig);
    deepStrictEqual({ ...flow.reply }, object.reply);
    assert.is(flow.orig.src, object.orig.src);
    for (const part of [flow, flow.orig, flow.reply]) {
      assert.not(Object.values(part).includes(undefined), 'no field is undefined');
    }
  });
});

test('JSON and console.log give the same for a flow, its copy and its sides', () => {
  each((flow) => {
    const json = JSON.parse(JSON.stringify(flow));
    assert.equal(JSON.parse(JSON.stringify(flow.orig)), json.orig);
    assert.is(inspect(flow), inspect(flow.toObject()));
    assert.ok(inspect(flow.orig).includes(`src: '${flow.orig.src}'`));
    assert.ok(inspect(flow).includes(`mark: ${flow.mark}`));
  });
});

test('a deep comparison finds a difference in each field', () => {
  const [first] = batches;
  const flows = first!.slice(0, 40);
  for (let i = 0; i < flows.length; i++) {
    deepStrictEqual(flows.at(i), flows.at(i));
    deepStrictEqual(flows.at(i)!.orig, flows.at(i)!.orig);
    if (i > 0) notDeepStrictEqual(flows.at(i), flows.at(i - 1));
  }
  for (const name of Object.keys(flows.at(0)!)) {
    notDeepStrictEqual({ ...flows.at(0), [name]: null }, { ...flows.at(0) }, name);
  }
});

test('names of status bits are shared by flows, and frozen', async () => {
  const [first] = batches;
  const { status } = first!.at(0)!;
  assert.ok(Object.isFrozen(status));
  assert.throws(() => (status as string[]).push('dying'), TypeError);
  assert.is(first!.at(0)!.status, first!.at(0)!.toObject().status);
});

test('an aggregate can have any name', () => {
  const [first] = batches;
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
    const groups = first!.groupBy('family', JSON.parse(`{"${name}": "count", "n": "count"}`));
    assert.is(groups.length, 1);
    deepStrictEqual(Object.entries(groups[0]!), [
      ['family', 'ipv4'],
      [name, 300],
      ['n', 300],
    ]);
    assert.is(Object.getPrototypeOf(groups[0]), Object.prototype);
  }
});

test.run();
