// What the tests of Bun, Deno and each line of Node share: the tarball runs there. Every program of the README, of docs and
// of the guides prints what it prints in Node, workers end in the middle of their work, and support() names the runtime.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Support } from '../../src/index.js';
import { pages, testPages } from '../support/doc-pages.js';
import { type AddCase, assert } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { project, projectWithLibraries } from './installed.js';

const printsAsNode = fileURLToPath(new URL('../support/doc-console.mjs', import.meta.url));

/** Runs a module of the project in a runtime, in a namespace, and returns what it prints as JSON. */
export function runs<T>(name: string, code: string, ...runtime: readonly string[]): T {
  const file = join(project(), name);
  writeFileSync(file, code);
  using netns = Netns.create();
  return JSON.parse(netns.exec(...runtime, file));
}

const supportProgram = `
  import { support } from 'conntrack';
  console.log(JSON.stringify(support()));`;
/** support() in a runtime. */
export const supportIn = (...runtime: readonly string[]) =>
  runs<Support>('support.mjs', supportProgram, ...runtime);

const worker = `
  import { parentPort } from 'node:worker_threads';
  import { conntrack, iptables } from 'conntrack';
  const events = conntrack.events()[Symbol.asyncIterator]();
  events.next();
  (async () => { for (;;) await conntrack.dump(); })();
  (async () => { for (;;) for await (const batch of conntrack.dumpBatches({}, { batchSize: 10 })); })();
  (async () => { for (;;) await iptables.read(); })();
  setTimeout(() => parentPort.postMessage('busy'), 50);`;
const endsWorkers = (file: string) => `
  import { Worker } from 'node:worker_threads';
  import { conntrack } from 'conntrack';
  const flow = (srcPort) => ({ src: '10.0.0.1', dst: '10.0.0.2', protocol: 'udp', srcPort, dstPort: 53, timeout: 600 });
  await conntrack.createMany(Array.from({ length: 500 }, (_, index) => flow(index + 1)));
  for (let round = 0; round < 12; round++) {
    const worker = new Worker(${JSON.stringify(file)});
    await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
    await worker.terminate();
  }
  console.log(String((await conntrack.dump()).length));
  process.exit(0);`;

/** The tests that all runtimes have in common. `preload` is the option that loads a module before the program. */
export function sharedTests(
  test: AddCase,
  name: Support['runtime']['name'],
  command: readonly string[],
  preload = '--preload',
): void {
  test('support() names it, and nothing is lacking', () => {
    const { usable, runtime } = supportIn(...command);
    assert.is(usable, true);
    assert.is(runtime.name, name);
    assert.match(runtime.version, /^\d+\.\d+\.\d+$/);
    assert.equal(runtime.lacks, []);
  });

  test('workers end in the middle of their work', () => {
    const file = join(project(), 'worker.mjs');
    writeFileSync(file, worker);
    assert.is(runs<number>('ends-workers.mjs', endsWorkers(file), ...command), 500);
  });

  testPages(test, pages, () => ({
    command: [...command, preload, printsAsNode],
    modules: join(projectWithLibraries(), 'programs'),
  }));
}
