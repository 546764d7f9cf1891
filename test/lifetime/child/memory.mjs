// Says what a dump, a dump in batches and a lookup hold, and whose memory it is in.
import { createHash } from 'node:crypto';
import { load } from './common.mjs';

const { Conntrack } = await load();
const ct = Conntrack.open();
const batch = await ct.dump();
const text = createHash('sha256');
const lines = [];
/** Everything but what goes on by itself. */
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
// Memory of the engine's own moves; memory of the addon is copied and stays (facts of Node's buffers).
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
