// The worlds in which the programs of the documentation run: a namespace with real flows, rules and traffic. What a
// program waits for, such as an event, happens after it has begun to listen.
import { Conntrack, type FlowInit } from '../../src/index.js';
import { until } from './awaited.js';
import { labProgram } from './lab-rules.js';
import { isListening } from './listening.js';
import { GatewayLab, labAddresses, type TcpConnection } from './netlab.js';
import { Netns } from './netns.js';
import { useLabels } from './populate.js';
import type { Child } from './process.js';

export interface World extends AsyncDisposable {
  /** Where the program runs. */
  readonly netns: Netns;
  /** Words before the command. */
  readonly prefix?: readonly string[];
  /** What happens while the program runs. */
  meanwhile?(child: Child): Promise<void>;
}

/** A namespace, and what must be undone before it goes. */
async function own(prepare: (netns: Netns) => Promise<void> = async () => {}) {
  const netns = Netns.create();
  try {
    await prepare(netns);
  } catch (error) {
    netns[Symbol.dispose]();
    throw error;
  }
  return { netns, [Symbol.asyncDispose]: async () => netns[Symbol.dispose]() };
}

/** Waits until a program receives events of netfilter. */
export async function listens(child: Child): Promise<void> {
  await until('a program that listens', () => {
    if (!child.running) throw new Error(`it ended and did not listen: ${child.stderr}`);
    return isListening(child.pid);
  });
}

const tcp = (src: string, srcPort: number, more: Partial<FlowInit> = {}): FlowInit => ({
  ...{ protocol: 'tcp', src, dst: '192.0.2.10', srcPort, dstPort: 443 },
  ...{ timeout: 3600, state: 'ESTABLISHED', status: ['seen_reply', 'assured'], ...more },
});
const udp = (src: string, srcPort: number, more: Partial<FlowInit> = {}): FlowInit => ({
  ...{ protocol: 'udp', src, dst: '192.0.2.53', srcPort, dstPort: 53, timeout: 100 },
  ...more,
});

/** Two hosts, 10.0.0.5 and 10.0.0.6, with three connections to 192.0.2.10, a dead one, and questions to a name server. */
const flows: FlowInit[] = [
  tcp('10.0.0.5', 40001),
  tcp('10.0.0.5', 40002),
  tcp('10.0.0.6', 40003),
  tcp('10.0.0.6', 40004, { state: 'SYN_SENT', status: [], timeout: 100 }),
  udp('10.0.0.5', 5001),
  udp('10.0.0.6', 5002),
];

async function within<T>(netns: Netns, work: (table: Conntrack) => Promise<T>): Promise<T> {
  await using table = Conntrack.open({ netns: netns.path });
  return await work(table);
}

async function makeFlows(netns: Netns, made: FlowInit[]): Promise<void> {
  netns.conntrackSysctls({ acct: 1, timestamp: 1, events: 1 });
  netns.tracking();
  netns.translation();
  useLabels(netns);
  const { failed } = await within(netns, (table) => table.createMany(made));
  if (failed.length > 0) throw failed[0]!.error;
}

const client = (srcPort: number, dst?: string): FlowInit => ({
  ...udp('10.244.7.1', srcPort, { dst: '10.96.0.10', status: 'seen_reply' }),
  ...(dst !== undefined && { nat: { dst } }),
});
const serviceFlows = [
  ...[client(6001, '10.244.1.5'), client(6002, '10.244.1.5')],
  ...[client(6003, '10.244.1.6'), client(6004)],
];

async function withStandby(made: FlowInit[]): Promise<World> {
  const world = await own((netns) => makeFlows(netns, made));
  const standby = Netns.create('standby');
  await makeFlows(standby, []);
  return {
    netns: world.netns,
    async [Symbol.asyncDispose]() {
      standby[Symbol.dispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

async function makeRules(netns: Netns): Promise<void> {
  netns.iptables('-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT');
  netns.iptables('-A', 'INPUT', '-p', 'tcp', '--dport', '22', '-j', 'ACCEPT');
  netns.iptables('-t', 'nat', '-A', 'POSTROUTING', '-s', '10.0.0.0/8', '-j', 'MASQUERADE');
}

/** A connection is made, gets a mark, and is deleted. */
async function oneConnection(netns: Netns): Promise<void> {
  const flow = tcp('10.0.0.7', 40007);
  await within(netns, async (table) => {
    await table.create(flow);
    await table.update(flow as Parameters<Conntrack['update']>[0], { mark: 7 });
    await table.delete(flow as Parameters<Conntrack['delete']>[0]);
  });
}

interface TalkingLab {
  lab: GatewayLab;
  /** The connection of port 40000. */
  large: TcpConnection;
}

/**
 * A gateway that translates. Its client 10.0.1.2 has two connections to port 443 of 198.51.100.2, and has asked port
 * 53. The connection of port 40000 has carried more bytes.
 */
async function gateway(meanwhile?: (place: TalkingLab, child: Child) => Promise<void>) {
  const lab = await GatewayLab.create({ acct: 1, timestamp: 1, events: 1 });
  const { server } = labAddresses;
  await lab.serverHost.tcpServer(server, 443);
  await lab.serverHost.udpServer(server, 53);
  const large = await lab.clientHost.tcp({ address: server, port: 443, localPort: 40000 }, 20_000);
  await lab.clientHost.tcp({ address: server, port: 443, localPort: 40001 });
  await lab.clientHost.udpExchange({ address: server, port: 53, localPort: 5000 });
  return {
    netns: lab.gateway,
    ...(meanwhile && { meanwhile: (child: Child) => meanwhile({ lab, large }, child) }),
    [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
  };
}

export const worlds: Readonly<Record<string, () => Promise<World>>> = {
  /** Nothing: no flows, no rules. */
  empty: () => own(),
  /** The same for a process without capabilities. */
  powerless: async () => ({
    ...(await own()),
    prefix: ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'],
  }),
  /** The flows above, in a namespace that tracks packets. */
  flows: () => own((netns) => makeFlows(netns, flows)),
  /** The same. While the program listens, a connection of 10.0.0.7 is made, gets a mark and is deleted. */
  async events() {
    const world = await own((netns) => makeFlows(netns, flows));
    return {
      ...world,
      async meanwhile(child) {
        await listens(child);
        await oneConnection(world.netns);
      },
    };
  },
  /** The flows above, and an empty namespace of the name `standby`. */
  standby: () => withStandby(flows),
  /** The flows above and those of the service, the namespace `standby`, and what happens in `events`. */
  async handover() {
    const world = await withStandby([...flows, ...serviceFlows]);
    return {
      ...world,
      async meanwhile(child) {
        await listens(child);
        await oneConnection(world.netns);
      },
    };
  },
  /** A flow that was made while nothing listened, with the settings that a new namespace has. */
  silent: () =>
    own(async (netns) => {
      netns.tracking();
      await within(netns, (table) => table.create(tcp('10.0.0.5', 40001)));
    }),
  /** Some rules. */
  rules: () => own(makeRules),
  /** The same. While the program runs, others add rules. */
  async changes() {
    const world = await own(makeRules);
    return {
      ...world,
      // A reader of changes is ready at a moment that is its own. So rules come until it has seen one, or has ended.
      async meanwhile(child) {
        let port = 1000;
        await until(
          'a program that has seen a change',
          () => !child.running || child.lines.length > 0,
          async () => {
            const rule = ['-A', 'OUTPUT', '-p', 'tcp', '--dport', String(++port)];
            await world.netns.start([labProgram('iptables'), '-w', ...rule]).finish();
          },
        );
      },
    };
  },
  /** Clients of the service 10.96.0.10, with the backends 10.244.1.5 (two) and 10.244.1.6, and one without. */
  service: () => own((netns) => makeFlows(netns, [...flows, ...serviceFlows])),
  gateway: () => gateway(),
  /** While the program listens, all flows end. */
  'gateway-ends': () =>
    gateway(async ({ lab }, child) => {
      await listens(child);
      await within(lab.gateway, (table) => table.flush());
    }),
  /** When the program has deleted the connections, the client goes on to talk. */
  'gateway-talks': () =>
    gateway(async ({ lab, large }, child) => {
      await listens(child);
      await within(lab.gateway, (table) =>
        until('no connections', async () => (await table.dump({ protocol: 'tcp' })).length === 0),
      );
      await large.echo();
    }),
};
