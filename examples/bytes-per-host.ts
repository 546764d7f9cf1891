// Counts how many bytes each host has sent and received. It counts when connections end, because only then does
// the kernel send the counters. It adds up batches by column, so a storm of ends costs little. It also says what
// is missing: events that were lost, and connections that were made before accounting was on.
//
// Without options it counts a little traffic through a NAT gateway, in its own network namespaces. `--here`
// counts in the namespace where it was started, until SIGINT or SIGTERM.
import { pathToFileURL } from 'node:url';
import Table from 'cli-table3';
import { type Conntrack, conntrack, type EventStream } from '../src/index.js';
import { GatewayLab } from '../test/support/netlab.js';
import { enterSandbox } from '../test/support/sandbox.js';

export interface HostBytes {
  connections: number;
  sent: bigint;
  received: bigint;
}

export class HostCounter {
  readonly hosts = new Map<string, HostBytes>();
  /** Ends of connections whose events were lost. */
  lost = 0;
  /** Connections that ended without counters of the kernel. */
  uncounted = 0;

  /** Counts until the stream ends. */
  async read(stream: EventStream): Promise<void> {
    for await (const batch of stream.batches()) {
      this.lost += batch.overrun?.lost ?? 0;
      this.uncounted += batch.stats.withoutCounters;
      const groups = batch.groupBy('origSrc', {
        connections: 'count',
        sent: { sum: 'origBytes' },
        received: { sum: 'replyBytes' },
      });
      for (const { origSrc, connections, sent, received } of groups) {
        const host = this.hosts.get(String(origSrc)) ?? { connections: 0, sent: 0n, received: 0n };
        host.connections += connections;
        host.sent += BigInt(sent);
        host.received += BigInt(received);
        this.hosts.set(String(origSrc), host);
      }
    }
  }
}

/** The kernel then counts every new connection and reports its end. */
export async function countHosts(table: Conntrack): Promise<EventStream> {
  await table.configure({ acct: true, events: 1 });
  return table.events({ types: ['destroy'] });
}

function print(counter: HostCounter): void {
  const table = new Table({
    head: ['host', 'connections', 'bytes sent', 'bytes received'],
    style: { head: [], border: [], compact: true },
  });
  const rows = [...counter.hosts].sort(([, a], [, b]) =>
    Number(b.sent + b.received - a.sent - a.received),
  );
  for (const [host, { connections, sent, received }] of rows) {
    table.push([host, String(connections), String(sent), String(received)]);
  }
  process.stdout.write(`${table.toString()}\n`);
  if (counter.lost + counter.uncounted > 0) {
    process.stdout.write(
      `missing: ${counter.lost} lost ends, ${counter.uncounted} connections without counters\n`,
    );
  }
}

async function traffic(lab: GatewayLab): Promise<void> {
  const { server, server6 } = lab.addresses;
  const web = await lab.serverHost.tcpServer(server);
  const web6 = await lab.serverHost.tcpServer(server6);
  for (const [address, port, bytes] of [
    [server, web, 100_000],
    [server, web, 1000],
    [server6, web6, 5000],
  ] as const) {
    const connection = await lab.clientHost.tcp({ address, port }, bytes);
    await connection.close();
  }
  await lab.clientHost.ping(server, 3);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const here = process.argv.includes('--here');
  if (!here) enterSandbox();
  await using lab = here ? null : await GatewayLab.create({ gateway: 'current' });
  const stream = await countHosts(conntrack);
  // Stops listening. What the stream has received is still counted.
  const end = () => stream.close({ drain: true });
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, end);
  const counter = new HostCounter();
  const reading = counter.read(stream);
  if (lab) {
    await traffic(lab);
    // Ends the flows now: closed connections would wait for their timeouts.
    await conntrack.flush();
    await end();
  }
  await reading;
  print(counter);
  await conntrack.close();
}
