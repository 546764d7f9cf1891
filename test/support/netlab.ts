// The laboratory of the kernel tests: a client, a NAT gateway and a server. Each is a namespace, and veth pairs with
// IPv4 and IPv6 join them. The package itself writes the rules that translate, so they need no program of iptables. It
// also exports the names of netns.ts and traffic.ts.
import { type Family, Iptables } from '../../src/index.js';
import { type LabBackend, labBackend } from './lab-rules.js';
import { Netns, veth } from './netns.js';
import { Host } from './traffic.js';

export { Netns, type VethEnd, veth } from './netns.js';
export {
  Host,
  SctpAssociation,
  sctpServer,
  type Target,
  TcpConnection,
  UdpSocket,
} from './traffic.js';

/** Addresses of the lab. The server has no route to the client, so only translated traffic gets through. */
export const labAddresses = {
  client: '10.0.1.2',
  gatewayInside: '10.0.1.1',
  gatewayOutside: '198.51.100.1',
  server: '198.51.100.2',
  client6: 'fd00:1::2',
  gatewayInside6: 'fd00:1::1',
  gatewayOutside6: 'fd00:2::1',
  server6: 'fd00:2::2',
} as const;

export interface GatewayLabOptions {
  /**
   * The namespace of the gateway: a new one (`own`), or `current`, that of this process. With `current` the tested
   * code needs no namespace option. Default `own`.
   */
  gateway?: 'own' | 'current';
  /**
   * How the gateway translates traffic from the client to the server: MASQUERADE, SNAT to its outside address, or not
   * at all. Without translation the server has a route back, and a rule turns tracking on. Default `masquerade`.
   */
  nat?: 'masquerade' | 'snat' | 'none';
  /** Where the gateway has the rules that translate. Default: lab-rules.ts. */
  backend?: LabBackend;
  /** Sysctls of the gateway, set before the first packet. */
  acct?: 0 | 1;
  timestamp?: 0 | 1;
  events?: 0 | 1 | 2;
}

export class GatewayLab implements AsyncDisposable {
  readonly addresses = labAddresses;

  private constructor(
    readonly client: Netns,
    readonly gateway: Netns,
    readonly server: Netns,
    /** Processes in the client's and in the server's namespace. */
    readonly clientHost: Host,
    readonly serverHost: Host,
    readonly backend: LabBackend,
  ) {}

  static async create(options: GatewayLabOptions = {}): Promise<GatewayLab> {
    const made: Netns[] = [];
    const hosts: Host[] = [];
    const namespace = () => {
      const netns = Netns.create();
      made.push(netns);
      return netns;
    };
    try {
      const client = namespace();
      const server = namespace();
      const gateway = options.gateway === 'current' ? Netns.current : namespace();
      wire(client, gateway, server);
      const { acct, timestamp, events } = options;
      gateway.conntrackSysctls({
        ...(acct === undefined ? {} : { acct }),
        ...(timestamp === undefined ? {} : { timestamp }),
        ...(events === undefined ? {} : { events }),
      });
      const backend = options.backend ?? labBackend;
      const nat = options.nat ?? 'masquerade';
      if (nat === 'none') routeBack(gateway, server);
      else await translate(gateway, backend, nat);
      hosts.push(await Host.start(client), await Host.start(server));
      return new GatewayLab(client, gateway, server, hosts[0]!, hosts[1]!, backend);
    } catch (error) {
      for (const host of hosts) await host[Symbol.asyncDispose]();
      for (const netns of made) netns[Symbol.dispose]();
      throw error;
    }
  }

  /** Forwards a port of the gateway's inside address to the server (DNAT), both families. */
  async dnat(protocol: 'tcp' | 'udp', port: number, serverPort: number): Promise<void> {
    const { gatewayInside, gatewayInside6, server, server6 } = this.addresses;
    const rule = (to: string, destination: string) =>
      `-d ${to} -p ${protocol} --dport ${port} -j DNAT --to-destination ${destination}`;
    await translateBy(this.gateway, this.backend, 'PREROUTING', {
      ipv4: rule(gatewayInside, `${server}:${serverPort}`),
      ipv6: rule(gatewayInside6, `[${server6}]:${serverPort}`),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clientHost[Symbol.asyncDispose]();
    await this.serverHost[Symbol.asyncDispose]();
    // The kernel removes a deleted namespace later. Its link ends in a namespace that stays could still be there when
    // the next laboratory is built.
    if (this.gateway.name === undefined) {
      for (const device of ['inside0', 'outside0']) this.gateway.ip('link', 'del', device);
    }
    for (const netns of [this.client, this.server, this.gateway]) netns[Symbol.dispose]();
  }
}

function wire(client: Netns, gateway: Netns, server: Netns): void {
  const a = labAddresses;
  veth(
    { netns: client, device: 'inside0', addresses: [`${a.client}/24`, `${a.client6}/64`] },
    {
      netns: gateway,
      device: 'inside0',
      addresses: [`${a.gatewayInside}/24`, `${a.gatewayInside6}/64`],
    },
  );
  veth(
    { netns: server, device: 'outside0', addresses: [`${a.server}/24`, `${a.server6}/64`] },
    {
      netns: gateway,
      device: 'outside0',
      addresses: [`${a.gatewayOutside}/24`, `${a.gatewayOutside6}/64`],
    },
  );
  client.ip('route', 'add', 'default', 'via', a.gatewayInside);
  client.ip('-6', 'route', 'add', 'default', 'via', a.gatewayInside6);
  gateway.setSysctl('net.ipv4.ip_forward', 1);
  gateway.setSysctl('net.ipv6.conf.all.forwarding', 1);
}

/** Without translation the server needs a route to the client, and the gateway a rule that makes it track. */
function routeBack(gateway: Netns, server: Netns): void {
  const { gatewayOutside, gatewayOutside6 } = labAddresses;
  gateway.tracking();
  server.ip('route', 'add', 'default', 'via', gatewayOutside);
  server.ip('-6', 'route', 'add', 'default', 'via', gatewayOutside6);
}

async function translate(
  gateway: Netns,
  backend: LabBackend,
  nat: 'masquerade' | 'snat',
): Promise<void> {
  const { gatewayOutside, gatewayOutside6 } = labAddresses;
  const rule = (source: string) =>
    `-o outside0 -j ${nat === 'snat' ? `SNAT --to-source ${source}` : 'MASQUERADE'}`;
  await translateBy(gateway, backend, 'POSTROUTING', {
    ipv4: rule(gatewayOutside),
    ipv6: rule(gatewayOutside6),
  });
}

/** Appends a rule to a chain of nat, one of each family. */
async function translateBy(
  gateway: Netns,
  backend: LabBackend,
  chain: string,
  rules: { ipv4: string; ipv6: string },
): Promise<void> {
  gateway.throwAway();
  const netns = gateway.name === undefined ? {} : { netns: gateway.path };
  await using tables = Iptables.open({ backend, ...netns });
  const nat = ['ipv4', 'ipv6'].map((family) => ({ family: family as Family, table: 'nat' }));
  await tables.edit(nat, (...all) => {
    for (const table of all) table.chain(chain).append(rules[table.family]);
  });
}
