// Calls the package as lines of JSON on the standard input say: [method, ...arguments]. Prints the outcome of each as one
// line: the ids and the statistics of a batch, a plain value, or an error.
import { createInterface } from 'node:readline';
import { load } from './common.mjs';

const { Conntrack, support } = await load();
const ct = Conntrack.open();
let streams = [];

const idsOf = (flows) => Array.from(flows, ({ id }) => id);

async function heard(stream) {
  await stream.close({ drain: true });
  const events = [];
  for await (const { type, flow, timestamp } of stream) {
    events.push({ type, id: flow?.id, timed: timestamp !== undefined });
  }
  return events;
}

const own = {
  support: () => ({ value: support() }),
  dumpBatches: async (filter, options) => {
    const ids = [];
    for await (const batch of ct.dumpBatches(filter, options)) ids.push(...idsOf(batch));
    return { ids };
  },
  listen: (filters) => {
    streams = filters.map((filter) => ct.events({ filter }));
    return {};
  },
  heard: async () => {
    const value = [];
    for (const stream of streams) value.push(await heard(stream));
    return { value };
  },
};

async function call([method, ...given]) {
  try {
    if (own[method] !== undefined) return await own[method](...given);
    const value = await ct[method](...given);
    return value?.columns === undefined ? { value } : { ids: idsOf(value), stats: value.stats };
  } catch ({ name, code, hint, message }) {
    return { error: { name, code, hint, message } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await call(JSON.parse(line)))}\n`);
}
await ct.close();
