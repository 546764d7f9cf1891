// A program of the tests. It makes every call of docs/privileges.md, in the given network namespace and with the
// given capabilities, and prints each result as one line of JSON.
import { createSocket } from 'node:dgram';
import {
  Conntrack,
  conntrack,
  Iptables,
  type NetfilterError,
  namespaces,
  parseRule,
  support,
} from '../../src/index.js';

const tuple = {
  protocol: 'tcp',
  src: '10.0.0.1',
  dst: '10.0.0.2',
  srcPort: 1000,
  dstPort: 80,
} as const;
const flow = { ...tuple, timeout: 600, mark: 7 };
const expected = { protocol: 'tcp', src: '10.0.0.2', dst: '10.0.0.1', dstPort: 50000 } as const;
const elsewhere = process.argv[2]!;
const iptables = Iptables.open({ backend: 'legacy' });
const nft = Iptables.open({ backend: 'nft' });

/** The first hits of a rule that counts packets which are sent meanwhile. */
async function watch(of: Iptables, options: object = {}): Promise<void> {
  const socket = createSocket('udp4');
  const sending = setInterval(() => socket.send('x', 53, '127.0.0.1'), 5);
  try {
    for await (const _ of of.watch({ ...options, interval: 10 })) break;
  } finally {
    clearInterval(sending);
    socket.close();
  }
}

/** Begins to follow the rules. */
async function changes(of: Iptables, options: object = {}): Promise<void> {
  const stream = of.changes(options);
  await stream.ready;
  await stream.close();
}

const dryRun = (of: Iptables) =>
  of.edit('filter', (table) => table.chain('INPUT').append('-m comment --comment x'), {
    dryRun: true,
  });

export const calls: [string, () => unknown][] = [
  ['count()', () => conntrack.count()],
  ['stats()', () => conntrack.stats()],
  ['expectations.stats()', () => conntrack.expectations.stats()],
  ['expectations.count()', () => conntrack.expectations.count()],
  ['settings()', () => conntrack.settings()],
  ['support()', () => support()],
  ['hooks()', () => conntrack.hooks()],
  ['namespaces()', () => namespaces()],
  ['create()', () => conntrack.create(flow)],
  ['createMany()', () => conntrack.createMany([{ ...flow, srcPort: 1001 }])],
  ['upsert()', () => conntrack.upsert(flow)],
  ['upsertMany()', () => conntrack.upsertMany([{ ...flow, srcPort: 1003 }])],
  ['dump()', () => conntrack.dump()],
  [
    'dumpBatches()',
    async () => {
      for await (const _ of conntrack.dumpBatches());
    },
  ],
  ['get()', () => conntrack.get(tuple)],
  ['getSync()', () => conntrack.getSync(tuple)],
  ['getMany()', () => conntrack.getMany([tuple])],
  ['update()', () => conntrack.update(tuple, { mark: 9 })],
  ['updateMany()', () => conntrack.updateMany([tuple], { mark: 9 })],
  ['updateWhere()', () => conntrack.updateWhere({ protocol: 'tcp' }, { mark: 10 })],
  ['delete()', () => conntrack.delete(tuple)],
  ['deleteMany()', () => conntrack.deleteMany([tuple, tuple])],
  ['deleteWhere()', () => conntrack.deleteWhere({ protocol: 'tcp' })],
  ['flush()', () => conntrack.flush()],
  // A different value: a setting that does not change is not written, and needs no privilege.
  [
    'configure({ acct })',
    async () => conntrack.configure({ acct: !(await conntrack.settings()).acct }),
  ],
  ['events()', () => conntrack.events().close()],
  ['events({ allNamespaces: true })', () => conntrack.events({ allNamespaces: true }).close()],
  ['expectations.list()', () => conntrack.expectations.list()],
  ['expectations.get()', () => conntrack.expectations.get(expected)],
  [
    'expectations.create()',
    async () => {
      const helped = { ...flow, srcPort: 1002, dstPort: 21, helper: 'ftp' };
      // Without the privilege there is no flow, and the expectation itself is refused.
      await conntrack.create(helped).catch(() => {});
      const { src, dst, srcPort, dstPort } = helped;
      const master = { protocol: 'tcp', src, dst, srcPort, dstPort } as const;
      const { protocol, ...tuple } = expected;
      await conntrack.expectations.create({ protocol, tuple, master });
    },
  ],
  ['expectations.delete()', () => conntrack.expectations.delete(expected)],
  ['expectations.flush()', () => conntrack.expectations.flush()],
  ['expectations.events()', () => conntrack.expectations.events().close()],
  [
    'Conntrack.open({ netns })',
    async () => {
      await using table = Conntrack.open({ netns: elsewhere });
      await table.count();
    },
  ],
  [
    'Iptables.open({ netns })',
    async () => {
      await using table = Iptables.open({ netns: elsewhere });
      return table.family;
    },
  ],
  ['parseRule()', () => parseRule('-p tcp --dport 22 -j ACCEPT')],
  ['iptables.backend()', () => iptables.backend()],
  ['iptables.backendReport()', () => iptables.backendReport()],
  ['iptables.read()', () => iptables.read()],
  ['iptables.save({ tables })', () => iptables.save({ tables: ['filter'] })],
  ['iptables.watch({ tables })', () => watch(iptables, { tables: ['filter'] })],
  ['iptables.changes({ tables })', () => changes(iptables, { tables: ['filter'] })],
  ['iptables.tables()', () => iptables.tables()],
  ['iptables.save()', () => iptables.save()],
  ['iptables.watch()', () => watch(iptables)],
  ['iptables.changes()', () => changes(iptables)],
  [
    'iptables.edit()',
    () => iptables.edit('filter', (table) => table.chain('INPUT').append('-p tcp --dport 22')),
  ],
  ['iptables.edit({ dryRun: true })', () => dryRun(iptables)],
  ['iptables.supports()', () => iptables.supports('match', 'comment')],
  ['iptables.restore()', () => iptables.restore('*filter\n-A INPUT -j ACCEPT\nCOMMIT\n')],
  ['nft.tables()', () => nft.tables()],
  ['nft.read()', () => nft.read()],
  ['nft.edit({ dryRun: true })', () => dryRun(nft)],
  ['nft.supports()', () => nft.supports('match', 'comment')],
  ['nft.edit()', () => nft.edit('filter', (table) => table.chain('INPUT').append('-p udp'))],
  [
    'iptables.restore({ test: true })',
    () => iptables.restore('*filter\n-A INPUT -j ACCEPT\nCOMMIT\n', { test: true }),
  ],
  [
    'nft.restore({ test: true })',
    () => nft.restore('*filter\n-A INPUT -j ACCEPT\nCOMMIT\n', { test: true }),
  ],
  ['nft.restore()', () => nft.restore('*filter\n-A INPUT -j ACCEPT\nCOMMIT\n')],
  ['nft.save()', () => nft.save()],
  ['nft.watch()', () => watch(nft)],
  ['nft.changes()', () => changes(nft)],
];

export interface CallOutcome {
  call: string;
  code?: string;
  message?: string;
}

for (const [call, run] of calls) {
  const outcome: CallOutcome = { call };
  try {
    await run();
  } catch (thrown) {
    const { code, message } = thrown as NetfilterError;
    outcome.code = code ?? 'no code';
    outcome.message = message;
  }
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
