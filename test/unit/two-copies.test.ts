// Two copies of the package in one process, as npm installs them when two packages want different versions. What one
// copy made is a stranger to the other one: it is refused, with words that say how to hand it over.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as own from '../../src/index.js';
import { compiledPackage } from '../support/compiled.js';
import { assert, suite } from '../support/harness.js';

const test = suite('two copies');
const entry = pathToFileURL(join(compiledPackage(), 'dist/index.js')).href;
const other: typeof own = await import(entry);

const flow = { src: '10.0.0.1', dst: '10.0.0.2', protocol: 'udp', srcPort: 1, dstPort: 2 } as const;
const hint =
  /a plain one, .*structuredClone\(\) makes the one of another copy plain\), got a (\w+)$/;

async function refused(run: () => unknown, path: string, made: string): Promise<void> {
  try {
    await run();
  } catch (error) {
    assert.instance(error, TypeError);
    const { message } = error as Error;
    assert.ok(message.startsWith(`${path}: `), message);
    assert.is(hint.exec(message)?.[1], made, message);
    return;
  }
  assert.unreachable(`${path}: it was taken`);
}

test('a flow of another copy is refused, alone and in a list, and a clone of it is taken', async () => {
  const foreign = other.FlowBatch.of([flow]).at(0)!;
  assert.not.instance(foreign, own.Flow);
  await refused(() => own.conntrack.get(foreign), 'tuple', 'Flow');
  await refused(() => own.conntrack.create({ ...foreign } as never), 'flow.orig', 'ReadSide');
  await refused(() => own.FlowBatch.of([foreign]), 'flows[0]', 'Flow');
  const clone = structuredClone(foreign);
  assert.equal(own.FlowBatch.of([clone]).at(0)!.toJSON(), foreign.toJSON());
});

test.run();
