// Prints the content of a dump, a dump in batches and a lookup, and whose memory holds them.
import { createHash } from 'node:crypto';
import { load } from './common.mjs';

const { Conntrack } = await load();
const ct = Conntrack.open();
const batch = await ct.dump();
const text = createHash('sha256');
const lines = [];
/** All fields that do not change with time. */
const line = (flow) => JSON.stringify({ ...flow.toJSON(), timeout: 0, use: 0 });
for (const flow of batch) lines.push(line(flow));
let batched = 0;
for await (const part of ct.dumpBatches({}, { batchSize: 777 })) {
  for (const flow of part) {
    if (line(flow) === lines[batched]) batched++;
  }
}
const found = await ct.getMany([...batch].slice(0, 50));
for (const line of lines.sort()) text.update(line);
const { buffer } = batch.columns.origSrc;
const before = buffer.byteLength;
// A transfer moves memory of the engine. Memory of the addon is copied and stays (Node's buffers work like this).
structuredClone(buffer, { transfer: [buffer] });
const report = {
  rows: batch.length,
  batched,
  found: found.filter((flow) => flow !== undefined).length,
  digest: text.digest('hex'),
  external: buffer.byteLength === before,
};
process.stdout.write(`${JSON.stringify(report)}\n`);
await ct.close();
