// Only the kernel may send events. A message from another process, sent to the stream's socket or to its groups, is
// ignored and not counted.
import { readFileSync } from 'node:fs';
import { conntrack, type EventStream, type FlowEvent } from '../../src/index.js';
import { awaited, until } from '../support/awaited.js';
import { makeEvents } from '../support/events.js';
import { encodeFlow, makeFlow } from '../support/flow-messages.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netlab.js';
import { run } from '../support/process.js';
import { python } from '../support/python.js';
import { Random } from '../support/random.js';

const test = suite('forged events');

test.before(() => Netns.current.conntrackSysctls({ events: 1 }));

/** Port ids of the sockets of this namespace that are in a conntrack group. */
function ports(): number[] {
  const rows = readFileSync('/proc/thread-self/net/netlink', 'utf8').trim().split('\n').slice(1);
  return rows.flatMap((row) => {
    const [, protocol, port, groups] = row.trim().split(/\s+/);
    return protocol === '12' && Number.parseInt(groups!, 16) !== 0 ? [Number(port)] : [];
  });
}

const sender = `
import socket, sys
port, groups, count, data = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), bytes.fromhex(sys.stdin.read())
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.bind((0, 0))
for _ in range(count):
    s.sendto(data, (port, groups))
print(s.getsockname()[0])
`;

/** Sends a message from a socket of another process, and returns when it is sent. */
function forge(port: number, groups: number, count: number, data: Buffer): void {
  const argv = [python, '-c', sender, String(port), String(groups), String(count)];
  run(argv, { input: data.toString('hex') });
}

/** A NEW event: NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW with NLM_F_CREATE | NLM_F_EXCL. */
function newEvent(): Buffer {
  const flow = makeFlow(new Random(7));
  const message = Buffer.from(encodeFlow(flow));
  message.writeUInt16LE(0x100, 4);
  message.writeUInt16LE(0x600, 6);
  return message;
}

const real = {
  protocol: 'udp' as const,
  orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: 1, dstPort: 2 },
  timeout: 60,
};

async function onlyTheReal(stream: EventStream): Promise<void> {
  await conntrack.create(real);
  const reader = stream[Symbol.asyncIterator]();
  const { value } = await awaited('an event', reader.next());
  assert.is((value as FlowEvent).flow.orig.src, real.orig.src);
  await stream.close();
  const { received, delivered, filtered, undecodable, discarded, lost } = stream.stats;
  assert.equal([received, delivered, filtered, undecodable, discarded, lost], [1, 1, 0, 0, 0, 0]);
  await conntrack.flush();
}

test('a NEW that was sent to the socket', async () => {
  const stream = conntrack.events({ types: ['new'] });
  const [port, ...others] = ports();
  assert.is(others.length, 0);
  forge(port!, 0, 5, newEvent());
  await onlyTheReal(stream);
});

test('a NEW that was sent to the group (CAP_NET_ADMIN may)', async () => {
  const stream = conntrack.events({ types: ['new'] });
  forge(0, 1, 5, newEvent());
  await onlyTheReal(stream);
});

test('a message that makes no sense, and a datagram that is too long', async () => {
  const stream = conntrack.events({ types: ['new'] });
  const [port] = ports();
  forge(port!, 0, 3, Buffer.from('ff'.repeat(7), 'hex'));
  forge(port!, 0, 3, Buffer.alloc(4000, 1));
  await onlyTheReal(stream);
});

test('expectations', async () => {
  const stream = conntrack.expectations.events();
  const [port] = ports();
  const message = newEvent();
  message.writeUInt16LE(0x200, 4);
  forge(port!, 0, 5, message);
  await stream.close();
  assert.is(stream.stats.received, 0);
});

test('a flood of forged messages does not prevent the end of a stream', async () => {
  const stream = conntrack.events({ types: ['new'] });
  const [port] = ports();
  const child = Netns.current.start([
    python,
    '-c',
    `
import socket
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.bind((0, 0))
print('begun', flush=True)
while True:
    try:
        s.sendto(b'x' * 64, (${port}, 0))
    except OSError as error:
        if error.errno == 111:
            break
print('refused', flush=True)
`,
  ]);
  await child.line(/^begun$/);
  await makeEvents({ count: 640, remove: false });
  await until('events have come', () => stream.stats.received > 0);
  await awaited('the end of the drain', stream.close({ drain: true }));
  // The socket now refuses messages of others, or is gone.
  await awaited('a refusal', child.line(/^refused$/));
  assert.equal(await child.exited, { code: 0, signal: null });
  assert.is(stream.stats.undecodable, 0);
  await stream.close();
  await conntrack.flush();
});

test.run();
