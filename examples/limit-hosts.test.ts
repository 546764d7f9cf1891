// Tests of limit-hosts.ts, with tables in memory: no kernel, no privilege, any system. `node --test` runs it.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { MemoryKernel } from 'conntrack/testing';
import { HostLimit } from './limit-hosts.js';

let kernel: MemoryKernel;
let limit: HostLimit;

beforeEach(() => {
  kernel = new MemoryKernel({ tables: '*filter\n-A FORWARD -i eth0 -j ACCEPT\nCOMMIT\n' });
  limit = new HostLimit(kernel.conntrack, kernel.iptables, 2);
});

/** Connections of a host to a web server. */
function connect(src: string, count: number): void {
  const server = { protocol: 'tcp', dst: '192.0.2.1', dstPort: 443 } as const;
  for (let i = 0; i < count; i++) kernel.packet({ ...server, src, srcPort: 40000 + i });
}

const rules = async () =>
  (await kernel.iptables.read()).chain('FORWARD').rules.map((rule) => String(rule));

test('a host with few connections keeps them', async () => {
  connect('10.0.0.1', 2);
  assert.deepEqual(await limit.check(), []);
  assert.equal(await kernel.conntrack.count(), 2);
  assert.deepEqual(await rules(), ['-i eth0 -j ACCEPT']);
});

test('a host with too many is banned, and the others stay', async () => {
  connect('10.0.0.1', 3);
  connect('10.0.0.2', 1);
  assert.deepEqual(await limit.check(), ['10.0.0.1']);
  assert.equal(await kernel.conntrack.count(), 1);
  assert.deepEqual(await rules(), ['-s 10.0.0.1/32 -j DROP', '-i eth0 -j ACCEPT']);
});

test('a ban that fails cuts nothing', async () => {
  connect('10.0.0.1', 3);
  kernel.fail('iptables commit filter', 'EPERM');
  await assert.rejects(limit.check(), { code: 'EPERM' });
  assert.equal(await kernel.conntrack.count(), 3);
});

test('a host that comes back after its flows have expired is counted anew', async () => {
  connect('10.0.0.1', 2);
  kernel.advance(120); // the timeout of SYN_SENT
  connect('10.0.0.1', 1);
  assert.deepEqual(await limit.check(), []);
});
