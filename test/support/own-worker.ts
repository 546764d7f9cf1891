// A worker thread that makes one flow by the package, and posts a word when it is done.
import { parentPort } from 'node:worker_threads';
import { conntrack } from '../../src/index.js';

await conntrack.create({
  protocol: 'udp',
  orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: 7001, dstPort: 53 },
  timeout: 600,
});
await conntrack.close();
parentPort!.postMessage('done');
