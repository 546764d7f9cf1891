// The example at the top of the README, run unchanged: it reads, changes and cuts flows, and then follows events.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { conntrack, type FlowInit } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';

const test = suite('README');

const tcp = (src: string, srcPort: number): FlowInit => ({
  ...{ protocol: 'tcp', src, dst: '10.1.2.3', srcPort, dstPort: 443 },
  ...{ timeout: 600, state: 'ESTABLISHED', status: ['seen_reply', 'assured'] },
});

test('the first example runs and does what it says', async () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const example = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const entry = new URL('../../src/index.ts', import.meta.url).href;
  const dns: FlowInit = {
    protocol: 'udp',
    src: '10.9.9.9',
    dst: '10.1.2.3',
    srcPort: 4000,
    dstPort: 53,
    timeout: 60,
  };
  await conntrack.createMany([tcp('10.7.7.7', 1000), tcp('192.0.2.7', 2000), dns]);
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', example.replace("'conntrack'", `'${entry}'`)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let output = '';
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const until = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => pattern.test(output) && resolve();
      child.stdout.on('data', (chunk) => {
        output += chunk;
        look();
      });
      ended.then(() => reject(new Error(`ended before ${pattern}: ${output}`)));
      look();
    });
  await until(/1 flows of 192\.0\.2\.7 cut/);
  assert.match(output, /^2 connections/m);
  assert.match(output, /src=10\.7\.7\.7/);
  assert.is((await conntrack.get(dns))?.mark, 0x10);
  assert.is(await conntrack.get(tcp('192.0.2.7', 2000)), undefined);
  // Now it listens. It would miss a flow that is made before its socket is bound, so flows are made until it sees
  // one.
  let port = 5000;
  const maker = setInterval(() => void conntrack.create(tcp('10.8.8.8', port++)), 20);
  await until(/\[NEW\].*src=10\.8\.8\.8/).finally(() => clearInterval(maker));
  child.kill();
  await ended;
});

test.after(() => conntrack.close());

test.run();
