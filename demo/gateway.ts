// The package at work on real traffic. A client, a NAT gateway and a server are connected by veth, each in its
// own network namespace. The demo reads, queries, changes, cuts and empties the table of the gateway. It also shows the
// rules that translate. The package wrote them, into nf_tables or into the legacy tables: where the kernel has nf_tables,
// there. `--backend legacy` and `--backend nft` choose.
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import {
  conntrack,
  type Flow,
  type FlowBatch,
  Iptables,
  type IptablesOptions,
  support,
} from 'conntrack';
import { GatewayLab } from '../test/support/netlab.js';
import { enterSandbox } from '../test/support/sandbox.js';

const { values } = parseArgs({ options: { backend: { type: 'string', default: 'auto' } } });
enterSandbox();

const backend = values.backend as NonNullable<IptablesOptions['backend']>;
const say = (text: string) => process.stdout.write(`\n${text}\n`);

function endpoint(address: string, port: number | undefined): string {
  if (port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function detail(flow: Flow): string {
  if (flow.state !== undefined) return flow.state;
  if (flow.orig.icmpType !== undefined) return `type ${flow.orig.icmpType} id ${flow.orig.icmpId}`;
  return flow.status.includes('seen_reply') ? 'replied' : 'unreplied';
}

function print(flows: FlowBatch): void {
  const table = new Table({
    head: ['proto', 'original', 'to', 'translated', 'state', 'mark', 'packets', 'bytes', 'timeout'],
    style: { head: [], border: [], compact: true },
  });
  for (const flow of flows) {
    const { nat } = flow;
    const translated = [
      nat?.src && `src ${endpoint(nat.src.address, nat.src.port)}`,
      nat?.dst && `dst ${endpoint(nat.dst.address, nat.dst.port)}`,
    ];
    table.push([
      String(flow.protocol),
      endpoint(flow.orig.src, flow.orig.srcPort),
      endpoint(flow.orig.dst, flow.orig.dstPort),
      translated.filter(Boolean).join('\n') || '-',
      detail(flow),
      `0x${flow.mark.toString(16)}`,
      `${flow.orig.packets ?? '?'} / ${flow.reply.packets ?? '?'}`,
      `${flow.orig.bytes ?? '?'} / ${flow.reply.bytes ?? '?'}`,
      `${flow.timeout} s`,
    ]);
  }
  process.stdout.write(`${table.toString()}\n`);
}

{
  // This process is the gateway, so `conntrack` opens the table of the gateway.
  await using lab = await GatewayLab.create({ gateway: 'current', backend, acct: 1, timestamp: 1 });
  const { server, server6, gatewayInside } = lab.addresses;
  const here = support();
  say(
    `kernel ${here.kernel}; tracking: ${here.conntrack.tracking.state} (${here.conntrack.tracking.reasons.join(', ')})`,
  );

  const web = await lab.serverHost.tcpServer(server);
  const web6 = await lab.serverHost.tcpServer(server6);
  const dns = await lab.serverHost.udpServer(server);
  await lab.dnat('tcp', 8080, web);
  const held = [
    await lab.clientHost.tcp({ address: server, port: web }, 20_000),
    await lab.clientHost.tcp({ address: gatewayInside, port: 8080 }, 500),
    await lab.clientHost.tcp({ address: server6, port: web6 }, 4000),
  ];
  await (await lab.clientHost.tcp({ address: server, port: web }, 10)).close();
  await lab.clientHost.udpExchange({ address: server, port: dns });
  await lab.clientHost.ping(server, 3);
  await lab.clientHost.ping(server6);

  await using tables = Iptables.open({ backend });
  const { uses } = await tables.backendReport();
  say(`The rules that translate, in ${uses === 'nft' ? 'nf_tables' : 'the legacy tables'}:`);
  process.stdout.write(await tables.save({ tables: ['nat'] }));

  const all = await conntrack.dump();
  say(`The gateway's table, ${all.length} flows:`);
  print(all);

  const [first] = held;
  const tuple = {
    protocol: 'tcp',
    src: lab.addresses.client,
    srcPort: first!.localPort,
    dst: server,
    dstPort: web,
  } as const;
  const flow = conntrack.getSync(tuple);
  say(`One flow, looked up by its tuple:\n  ${flow}`);

  await conntrack.update(tuple, { mark: { value: 0x2a, mask: 0xff }, timeout: 7200 });
  const marked = await conntrack.get(tuple);
  say(`Its mark and timeout, changed:\n  ${marked}`);

  say('By protocol:');
  for (const group of all.groupBy('protocol', { flows: 'count', bytes: { sum: 'bytes' } })) {
    process.stdout.write(`  ${group.protocol}: ${group.flows} flows, ${group.bytes} bytes\n`);
  }

  const filter = { protocol: 'tcp', dst: '198.51.100.0/24', state: 'ESTABLISHED' } as const;
  const deleted = await conntrack.deleteWhere(filter, { returning: true });
  say(`Deleted where ${JSON.stringify(filter)}, ${deleted.length} gone:`);
  print(deleted);

  await conntrack.flush();
  const left = await conntrack.dump();
  say(`Flushed: ${left.length} flows left.`);
  if (deleted.length === 0 || left.length > 2) throw new Error('the demo did not do what it says');
}
await conntrack.close();
