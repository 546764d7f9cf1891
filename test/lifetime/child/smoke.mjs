// Every operation of the package, with errors, cancellation and workers, for runs under the sanitizers. The process
// ends by itself. `smoke.mjs <path of another namespace>`
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { abortsOnceHeard } from '../../support/abort.mjs';
import { flow, flows, load } from './common.mjs';

const { Conntrack, conntrack, Iptables, support } = await load();

async function rejected(what, promise) {
  try {
    await promise;
  } catch {
    return;
  }
  throw new Error(`${what}: expected a rejection`);
}
function assert(condition, what) {
  if (!condition) throw new Error(what);
}

const nat = {
  protocol: 'tcp',
  state: 'ESTABLISHED',
  timeout: 300,
  mark: 5,
  status: ['assured', 'seen_reply'],
  orig: { src: '10.3.0.1', dst: '10.3.0.2', srcPort: 1000, dstPort: 80 },
  nat: { src: { address: '192.0.2.9', port: 4000 } },
};
const ipv6 = {
  protocol: 'udp',
  timeout: 300,
  orig: { src: '2001:db8::1', dst: '2001:db8::2', srcPort: 5, dstPort: 6 },
};
const icmp = {
  protocol: 'icmp',
  timeout: 300,
  orig: { src: '10.4.0.1', dst: '10.4.0.2', icmpType: 8, icmpCode: 0, icmpId: 77 },
};

async function everything(ct) {
  await ct.flush();
  for (const one of [nat, ipv6, icmp]) await ct.create(one);
  await rejected('twice', ct.create(nat));
  await ct.upsert({ ...ipv6, timeout: 400 });
  const created = await ct.createMany(flows(5000));
  assert(created.created === 5000, `createMany: ${created.failed[0]?.error}`);
  assert((await ct.createMany(flows(10))).failed.length === 10, 'createMany of what is there');

  for (const filter of [
    {},
    { family: 'ipv6' },
    { src: '11.0.0.0/20', dstPort: [1, 3000] },
    { status: { all: ['assured'], none: ['dying'] }, nat: 'src' },
    { protocol: ['udp', 'icmp'], mark: { value: 0, mask: 3 }, zone: 0 },
    { helper: 'nobody' },
  ]) {
    const batch = await ct.dump(filter);
    let batched = 0;
    for await (const part of ct.dumpBatches(filter, { batchSize: 64 })) batched += part.length;
    assert(batch.length === batched, JSON.stringify(filter));
    JSON.stringify(batch);
    batch.toArray();
  }
  await ct.dump({}, { zeroCounters: true });
  await ct.dump({}, { list: 'dying' });
  for await (const _ of ct.dumpBatches({}, { batchSize: 10 })) break;
  await ct.dumpBatches({}, { batchSize: 10 }).next(); // left behind

  assert((await ct.get(nat)) !== undefined, 'get');
  assert(ct.getSync(ipv6) !== undefined, 'getSync');
  for (let i = 0; i < 200; i++) ct.getSync(flow(i));
  assert(ct.getSync(flow(0, 99)) === undefined, 'getSync of none');
  const found = await ct.getMany([...flows(3000), ...flows(5, 99)]);
  assert(found.filter(Boolean).length === 3000, 'getMany');
  await Promise.all(Array.from({ length: 40 }, (_, i) => ct.getMany(flows(10 + i))));
  assert((await ct.count()) >= 5003, 'count');
  await ct.stats();
  await ct.settings();
  await ct.configure({ acct: true });

  assert(await ct.update(nat, { mark: { value: 1, mask: 0xff }, timeout: 200 }), 'update');
  assert((await ct.updateWhere({ src: '11.0.0.0/22' }, { mark: 9 })) === 1024, 'updateWhere');
  await rejected('update of NAT', ct.updateWhere({ mark: 9 }, { helper: 'ftp' }));
  assert(await ct.delete(icmp), 'delete');
  assert(!(await ct.delete(icmp)), 'delete of none');
  assert((await ct.deleteWhere({ mark: 9 }, { returning: true })).length === 1024, 'returning');
  await ct.flush({ src: '11.0.0.0/8' });

  await rejected('abort', ct.dump({}, { signal: abortsOnceHeard() }));
  await ct.flush();
}

async function streams(ct) {
  await ct.configure({ events: 1 });
  const follow = async (stream, count, end) => {
    let seen = 0;
    for await (const event of stream) {
      seen += event.lost ?? 1;
      if (seen === count) end(stream);
    }
    return seen;
  };
  const made = flows(2000, 13);
  const reading = [
    follow(ct.events({ types: ['new'] }), 2000, (stream) => stream.close()),
    follow(ct.events({ types: ['new'] }), 5, (stream) => stream.close({ drain: true })),
    follow(ct.events({ types: ['new'], reliable: true, queue: { maxEvents: 9 } }), 2000, (stream) =>
      stream.close({ drain: true }),
    ),
  ];
  const batches = ct.events().batches();
  const unread = ct.events({ queue: { maxEvents: 5 } });
  const expectations = ct.expectations.events();
  assert((await ct.createMany(made)).created === 2000, 'flows for the streams');
  assert((await batches.next()).value.length > 0, 'a batch');
  await batches.return();
  assert(unread.stats.received > 0, 'what nobody reads');
  await unread.close();
  await expectations.close();
  const seen = await Promise.all(reading);
  assert(seen[0] === 2000 && seen[1] >= 5 && seen[2] >= 2000, `events: ${seen}`);
  await ct.flush({ src: '13.0.0.0/8' });
}

async function rules(netns) {
  for (const backend of ['legacy', 'nft']) {
    const iptables = Iptables.open({ netns, backend });
    const changes = iptables.changes({ interval: 10 });
    await changes.ready;
    for (let i = 0; i < 5; i++) {
      await iptables.edit('filter', (table) => {
        table.chain('FORWARD').append('-p tcp --dport 80 -j ACCEPT');
      });
      // Before the rule is gone again: legacy tables are compared only while somebody waits.
      if (i === 0) assert((await changes.next()).value.differences.length > 0, 'a change of rules');
      await iptables.edit('filter', (table) => table.chain('FORWARD').flush());
      await iptables.read();
    }
    await iptables.save();
    await iptables.close();
    assert((await changes.next()).done, 'the end of the changes');
  }
}

if (isMainThread) {
  support();
  const ct = Conntrack.open();
  await everything(ct);
  const there = Conntrack.open({ netns: process.argv[2], receiveBuffer: 65536 });
  await everything(there);
  await Promise.all([streams(ct), streams(there), rules(process.argv.at(-1))]);
  const pending = rejected('close', there.createMany(flows(20_000)));
  await there.close();
  await pending;
  await ct.createMany(flows(3000));
  const dump = ct.dumpBatches({}, { batchSize: 10 });
  await dump.next();
  await ct.close();
  await rejected('close', dump.next());

  // Workers that return, exit or are terminated, all in the middle of work.
  const workers = ['return', 'exit', 'terminate', 'terminate'].map((how) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: how, argv: process.argv });
    worker.on('message', () => worker.terminate());
    return new Promise((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', resolve);
    });
  });
  await Promise.all(workers);
  await conntrack.count();
  process.stdout.write('done\n');
} else {
  const ct = Conntrack.open();
  const batches = ct.dumpBatches({}, { batchSize: 10 });
  await batches.next();
  const events = ct.events();
  events.batches().next();
  if (workerData === 'return') await rules(process.argv.at(-1));
  const pending = [ct.dump(), ct.getMany(flows(100)), ct.deleteWhere({ src: '12.0.0.0/8' })];
  for (const promise of pending) promise.catch(() => {});
  if (workerData === 'exit') process.exit(0);
  if (workerData === 'return') await events.close();
  if (workerData === 'terminate') {
    const { parentPort } = await import('node:worker_threads');
    parentPort.postMessage('ready');
    setInterval(() => ct.getMany(flows(10)), 0);
  }
}
