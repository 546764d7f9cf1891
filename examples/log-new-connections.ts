// An audit log of new connections, with one JSON object per line: time, source, destination and translation.
// If events are lost, it logs how many. It logs the network namespace where it was started, until SIGINT or SIGTERM.
import { pathToFileURL } from 'node:url';
import { conntrack, type EventStream, type Flow } from 'conntrack';

function line(flow: Flow, timestamp: bigint | undefined): string {
  const { protocol, orig, nat } = flow;
  // The time of the event from the kernel, if it sends one (Linux 6.14, with nf_conntrack_timestamp).
  const time = timestamp === undefined ? Date.now() : Number(timestamp / 1_000_000n);
  return JSON.stringify({
    time: new Date(time).toISOString(),
    protocol,
    src: orig.src,
    srcPort: orig.srcPort,
    dst: orig.dst,
    dstPort: orig.dstPort,
    ...(nat?.src && { snat: nat.src }),
    ...(nat?.dst && { dnat: nat.dst }),
    ...(flow.zone !== 0 && { zone: flow.zone }),
    ...(flow.mark !== 0 && { mark: flow.mark }),
  });
}

/** Logs events until the stream has ended and everything that it received is logged. */
export async function logNewConnections(
  stream: EventStream,
  write: (line: string) => void,
): Promise<void> {
  for await (const event of stream) {
    if (event.type === 'overrun') {
      const { lost, source } = event;
      write(JSON.stringify({ time: new Date().toISOString(), lost, source }));
    } else {
      write(line(event.flow, event.timestamp));
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const stream = conntrack.events({ types: ['new'] });
  for (const hint of stream.stats.hints) process.stderr.write(`${hint}\n`);
  // Stops listening. What the stream has received is still logged.
  const end = () => stream.close({ drain: true });
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, end);
  await logNewConnections(stream, (text) => process.stdout.write(`${text}\n`));
  await conntrack.close();
}
