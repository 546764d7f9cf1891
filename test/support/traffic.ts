// Real traffic between namespaces. A host is a process inside a namespace that opens TCP and UDP sockets on request.
// ping and SCTP are separate programs. Every method resolves when its traffic has happened. Traffic goes only to
// addresses of the test's namespaces.
import { fileURLToPath } from 'node:url';
import type { Netns } from './netns.js';
import type { Child } from './process.js';
import { python } from './python.js';

const agent = fileURLToPath(new URL('traffic-agent.mjs', import.meta.url));
const sctpPeer = fileURLToPath(new URL('sctp-peer.py', import.meta.url));

export interface Target {
  address: string;
  port: number;
  /** The source address. By default the kernel chooses it. */
  localAddress?: string;
  localPort?: number;
}

type Answer = Record<string, unknown> & { request: number; error?: string };

export class Host implements AsyncDisposable {
  #requests = 0;

  private constructor(
    readonly netns: Netns,
    readonly child: Child,
  ) {}

  static async start(netns: Netns): Promise<Host> {
    const child = netns.start([process.execPath, agent]);
    await child.line(/^ready$/);
    return new Host(netns, child);
  }

  /** An echo server; port 0 takes a free one. Returns the port. */
  async tcpServer(address: string, port = 0): Promise<number> {
    return (await this.#ask('tcpServer', { address, port })).port as number;
  }

  /** Answers every datagram with itself. Returns the port. */
  async udpServer(address: string, port = 0): Promise<number> {
    return (await this.#ask('udpServer', { address, port })).port as number;
  }

  /** A connection. `bytes` (default 64) have gone both ways. */
  async tcp(target: Target, bytes = 64): Promise<TcpConnection> {
    const { id, localAddress, localPort } = await this.#ask('tcpConnect', { ...target, bytes });
    return new TcpConnection(
      (operation, parameters) => this.#ask(operation, { id, ...parameters }),
      localAddress as string,
      localPort as number,
    );
  }

  /** A UDP socket bound to `localAddress`; port 0 takes a free one. */
  async udp(localAddress: string, localPort = 0): Promise<UdpSocket> {
    const opened = await this.#ask('udpOpen', { localAddress, localPort });
    return new UdpSocket(
      (operation, parameters) => this.#ask(operation, { id: opened.id, ...parameters }),
      opened.localPort as number,
    );
  }

  /** One datagram and its answer, from a new socket. Returns the source port. */
  async udpExchange(target: Target, bytes = 64, count = 1): Promise<number> {
    const any = target.address.includes(':') ? '::' : '0.0.0.0';
    const socket = await this.udp(target.localAddress ?? any, target.localPort);
    await socket.exchange(target, bytes, count);
    await socket.close();
    return socket.localPort;
  }

  /** `count` echo requests and their answers, 56 bytes each. */
  async ping(address: string, count = 1): Promise<void> {
    const family = address.includes(':') ? '-6' : '-4';
    const words = ['ping', family, '-n', '-c', String(count), '-i', '0.01', '-w', '10', address];
    await this.netns.start(words).finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stop('SIGKILL');
  }

  async #ask(operation: string, parameters: object): Promise<Answer> {
    const request = ++this.#requests;
    this.child.write(`${JSON.stringify({ request, operation, ...parameters })}\n`);
    const line = await this.child.line(new RegExp(`^\\{"request":${request}[,}]`));
    const answer = JSON.parse(line) as Answer;
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }
}

type Ask = (operation: string, parameters: object) => Promise<Answer>;

export class TcpConnection {
  constructor(
    private readonly ask: Ask,
    readonly localAddress: string,
    readonly localPort: number,
  ) {}

  /** Sends `bytes` more and waits for their echo. */
  async echo(bytes = 64): Promise<void> {
    await this.ask('tcpEcho', { bytes });
  }

  /** Closes by FIN on both sides. */
  async close(): Promise<void> {
    await this.ask('tcpClose', { reset: false });
  }

  /** Closes by RST. */
  async reset(): Promise<void> {
    await this.ask('tcpClose', { reset: true });
  }
}

export class UdpSocket {
  constructor(
    private readonly ask: Ask,
    readonly localPort: number,
  ) {}

  /** `count` datagrams, each answered. */
  async exchange(target: Target, bytes = 64, count = 1): Promise<void> {
    await this.ask('udpExchange', { address: target.address, port: target.port, bytes, count });
  }

  /** `count` datagrams without answers. */
  async send(target: Target, bytes = 64, count = 1): Promise<void> {
    await this.ask('udpSend', { address: target.address, port: target.port, bytes, count });
  }

  async close(): Promise<void> {
    await this.ask('udpClose', {});
  }
}

/** An SCTP endpoint that accepts associations. It uses raw packets, so it needs no SCTP in the kernel. */
export async function sctpServer(netns: Netns, address: string, port: number): Promise<Child> {
  const child = netns.start([python, sctpPeer, 'serve', address, String(port)]);
  await child.line(/^ready$/);
  return child;
}

export class SctpAssociation implements AsyncDisposable {
  private constructor(private readonly child: Child) {}

  /** Sets an association up. The source must be given, because raw sockets do not choose one. */
  static async open(netns: Netns, target: Required<Target>): Promise<SctpAssociation> {
    const { address, port, localAddress, localPort } = target;
    const words = ['connect', address, String(port), localAddress, String(localPort)];
    const child = netns.start([python, sctpPeer, ...words]);
    await child.line(/^established$/);
    return new SctpAssociation(child);
  }

  /** Shuts it down properly. */
  async close(): Promise<void> {
    this.child.write('close\n');
    await this.child.line(/^closed$/);
    await this.child.finish();
  }

  /** Drops the association without a message to the other side. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stop('SIGKILL');
  }
}
