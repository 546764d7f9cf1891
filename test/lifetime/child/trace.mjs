// Sends some requests to the kernel, and receives one event.
import { flow, load } from './common.mjs';

const { Conntrack } = await load();
const ct = Conntrack.open();
const stream = ct.events({ types: ['new'] });
await ct.create(flow(1));
for await (const event of stream) {
  console.log(event.type);
  break;
}
await ct.get(flow(2));
await ct.dump({ src: '10.9.8.7' });
await ct.delete(flow(1));
await ct.close();
