// Wrong options and settings, and good arguments that must reach the addon.
import { Conntrack, conntrack, type DumpOptions, Iptables, iptables } from '../../src/index.js';
import { suite, throws } from '../support/harness.js';
import {
  accepted,
  at,
  drain,
  inside,
  integers,
  notObjects,
  refused,
  tcp,
  v6,
  type Wrong,
} from '../support/wrong-arguments.js';

const test = suite('arguments: options');

const timeout = 60;

const signals: Wrong[] = [{}, true, 'x', null].map((value) => [
  { signal: value },
  TypeError,
  '$.signal',
  /AbortSignal/,
]);

test('options', async () => {
  const dumps: Wrong[] = [
    ...notObjects,
    ...signals,
    [{ list: 'all' }, RangeError, '$.list'],
    [{ list: 1 }, TypeError, '$.list'],
    [{ zeroCounters: 1 }, TypeError, '$.zeroCounters'],
    [{ parallel: 0 }, RangeError, '$.parallel'],
    [{ parallel: 17 }, RangeError, '$.parallel'],
    [{ parallel: 'all' }, TypeError, '$.parallel'],
    [{ list: 'dying', parallel: 2 }, RangeError, '$.list'],
    [{ list: 'unconfirmed', zeroCounters: true }, RangeError, '$.list'],
    [{ timeout: 5 }, TypeError, '$.timeout', /no such field/],
  ];
  const options = at('options', dumps);
  await refused((value) => conntrack.dump(undefined, value as DumpOptions), options);
  await refused(
    (value) => drain(conntrack.dumpBatches(undefined, value as DumpOptions)),
    [
      ...options,
      ...at('options', inside('batchSize', integers(1048576))),
      [{ batchSize: 0 }, RangeError, 'options.batchSize'],
      [{ parallel: 2 }, TypeError, 'options.parallel', /dump\(\)/],
      [{ parallel: 'auto' }, TypeError, 'options.parallel', /dump\(\)/],
    ],
  );
  await refused(
    (value) => conntrack.deleteWhere({ mark: 1 }, value as { returning: true }),
    at('options', [
      ...notObjects,
      [{ returning: 1 }, TypeError, '$.returning'],
      [{ return: true }, TypeError, '$.return', /no such field/],
    ]),
  );
  await refused(
    (value) => Conntrack.open(value as object),
    at('options', [
      ...notObjects,
      [{ namespace: 'x' }, TypeError, '$.namespace', /no such field/],
      ...[null, {}, true, []].map((value): Wrong => [{ netns: value }, TypeError, '$.netns']),
      [{ netns: undefined }, TypeError, '$.netns', /is undefined/],
      ...['', '.', '..', 'a\0b', 0, -1, 1.5, 2 ** 31].map(
        (value): Wrong => [{ netns: value }, RangeError, '$.netns'],
      ),
      [{ receiveBuffer: 4095 }, RangeError, '$.receiveBuffer'],
      [{ receiveBuffer: 2 ** 30 + 1 }, RangeError, '$.receiveBuffer'],
      [{ receiveBuffer: '8M' }, TypeError, '$.receiveBuffer'],
    ]),
  );
});

test("an undefined namespace is refused: it does not mean this process's", async () => {
  await refused(
    (value) => Iptables.open(value as object),
    at('options', [
      ...notObjects,
      [{ netns: undefined }, TypeError, '$.netns', /is undefined/],
      [{ netns: undefined, family: 'ipv6' }, TypeError, '$.netns', /is undefined/],
      [{ namespace: 'x' }, TypeError, '$.namespace', /no such field/],
      [{ family: 'inet' }, RangeError, '$.family'],
    ]),
  );
  await refused(
    (options) => iptables.restore('*filter\nCOMMIT\n', options as object),
    [
      [{ noflush: undefined }, TypeError, 'options.noflush', /is undefined/],
      [{ test: undefined }, TypeError, 'options.test', /is undefined/],
    ],
  );
  await refused(
    (options) => conntrack.expectations.flush(options as object),
    [
      [undefined, TypeError, 'options', /call flush\(\)/],
      [{ helper: undefined }, TypeError, 'options.helper', /is undefined/],
      [null, TypeError, 'options'],
    ],
  );
});

test('settings', async () => {
  await refused(
    (change) => conntrack.configure(change as object),
    at('change', [
      ...notObjects,
      [{ nonesuch: 1 }, TypeError, '$.nonesuch', /no such setting/],
      [{ tcp: { nonesuch: 1 } }, TypeError, '$.tcp.nonesuch'],
      [{ timeouts: { tcp: { nonesuch: 1 } } }, TypeError, '$.timeouts.tcp.nonesuch'],
      [{ timeouts: { tcp: 5 } }, TypeError, '$.timeouts.tcp'],
      [{ acct: 1 }, TypeError, '$.acct'],
      [{ events: 3 }, RangeError, '$.events'],
      [{ max: -1 }, RangeError, '$.max'],
      [{ max: '1' }, TypeError, '$.max'],
      [{ timeouts: { udp: { replied: 1.5 } } }, RangeError, '$.timeouts.udp.replied'],
      [{ logInvalid: 256 }, RangeError, '$.logInvalid'],
      [{ acct: true, timeouts: { icmp: undefined } }, TypeError, '$.timeouts.icmp'],
    ]),
  );
});

test('aborted signals and good arguments pass the checks', async () => {
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await throws(Error, /^enough$/, () => conntrack.dump({ mark: 1 }, { signal }));
  await throws(Error, /^enough$/, () => drain(conntrack.dumpBatches({ mark: 1 }, { signal })));
  await accepted(() =>
    conntrack.dump({ src: '10.0.0.0/0', dstPort: { from: 0, to: 65535 }, mark: 0 }),
  );
  await accepted(() => Conntrack.open());
  await accepted(() => Conntrack.open(undefined));
  await accepted(() => Conntrack.open({ receiveBuffer: undefined } as object));
  await accepted(() => conntrack.dump({}, { parallel: 16, list: 'conntrack' }));
  await accepted(() => drain(conntrack.dumpBatches(undefined, { batchSize: 1, parallel: 1 })));
  await accepted(() => conntrack.get(tcp));
  await accepted(() => conntrack.getSync({ ...tcp, zone: 65535, id: 0xffffffff, family: 'ipv4' }));
  await accepted(() => conntrack.create({ ...tcp, timeout: 0, nat: { src: { port: 0 } } }));
  await accepted(() => conntrack.upsert({ ...tcp, timeout, status: 'assured' }));
  await accepted(() => conntrack.createMany([{ ...tcp, timeout, labels: [] }]));
  await accepted(() => conntrack.update(tcp, { labels: [], mark: { value: 5, mask: 0 } }));
  await accepted(() => conntrack.updateWhere({ zone: 0 }, { timeout: 5 }));
  await accepted(() => conntrack.delete({ protocol: 255, ...v6 }));
  await accepted(() => conntrack.deleteWhere({ reply: { zone: 0 } }));
  await accepted(() => conntrack.flush());
  await accepted(() => conntrack.configure({ timeouts: { icmp: 30 } }));
  await accepted(() => Conntrack.open({ netns: process.pid, receiveBuffer: 4096 }));
});

test.run();
