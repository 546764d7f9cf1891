// Counts how many bytes each host has sent and received. It counts when connections end, because only then does
// the kernel send the counters. It adds up batches by column, so a storm of ends costs little. It also says what
// is missing: events that were lost, and connections that were made before accounting was on.
// It counts in the network namespace where it was started, until SIGINT or SIGTERM. Then it prints a table.
import { pathToFileURL } from 'node:url';
import { type Conntrack, conntrack, type EventStream } from 'conntrack';

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
  const rows = [...counter.hosts].sort(([, a], [, b]) =>
    Number(b.sent + b.received - a.sent - a.received),
  );
  console.table(Object.fromEntries(rows));
  if (counter.lost + counter.uncounted > 0) {
    console.log(
      `missing: ${counter.lost} lost ends, ${counter.uncounted} connections without counters`,
    );
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const stream = await countHosts(conntrack);
  // Stops listening. What the stream has received is still counted.
  const end = () => stream.close({ drain: true });
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, end);
  const counter = new HostCounter();
  await counter.read(stream);
  print(counter);
  await conntrack.close();
}
