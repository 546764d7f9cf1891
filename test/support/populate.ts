// Fills and churns the conntrack table of a namespace with C programs that use netlink. They make about a million
// flows a second from a seed. The same seed gives the same flows. See c/flow-make.h.
import type { FlowState } from '../../src/index.js';
import { cProgram } from './c-program.js';
import { Netns } from './netns.js';
import { Child, run } from './process.js';

/**
 * - `mixed`: both families, TCP, UDP, ICMP, ICMPv6, SCTP, GRE, UDPLITE and protocols by number;
 *   marks, zones (also of one direction), NAT, helpers, states, window scales, sequence adjustments,
 *   synproxy values, masters, fixed timeouts.
 * - `plain`: IPv4, two thirds TCP and one third UDP, every second flow ASSURED, a quarter marked.
 * - `tcp4`, `tcp6`, `udp4`: one kind, all ASSURED.
 */
export type FlowProfile = 'mixed' | 'plain' | 'tcp4' | 'tcp6' | 'udp4';

export interface FlowOptions {
  /** Default 1. */
  seed?: number;
  /** Default `mixed`. */
  profile?: FlowProfile;
  /** First byte of every original IPv4 source (1–26, default 10; churn 11). Different numbers give different flows. */
  network?: number;
  /** Puts all flows into one zone. */
  zone?: number;
  /** Seconds. By default random, at least ten minutes. */
  timeout?: number;
  /** A quarter of the flows gets labels. The namespace must have a rule that uses labels (`useLabels`). */
  labels?: boolean;
  /** Default: the namespace of this process. */
  netns?: Netns;
}

export interface FillOptions extends FlowOptions {
  count: number;
  /** Number of the first flow, a multiple of 64; default 0. */
  from?: number;
}

export interface FillSummary {
  created: number;
  seconds: number;
  ipv4: number;
  ipv6: number;
  /** How many flows of each protocol number. */
  protocols: Record<string, number>;
}

export interface FilledSide {
  src: string;
  dst: string;
  srcPort?: number;
  dstPort?: number;
  icmpType?: number;
  icmpCode?: number;
  icmpId?: number;
  zone?: number;
}

/** A flow as the table has it after the fill. `status` includes the bits that the kernel adds. */
export interface FilledFlow {
  index: number;
  family: 'ipv4' | 'ipv6';
  protocol: number;
  orig: FilledSide;
  reply: FilledSide;
  zone: number;
  mark: number;
  status: number;
  timeout: number;
  state?: FlowState;
  vtags?: [orig: number, reply: number];
  wscales?: [orig: number, reply: number];
  helper?: string;
  labels?: number[];
  snat?: string;
  dnat?: string;
  seqAdjOrig?: [pos: number, before: number, after: number];
  seqAdjReply?: [pos: number, before: number, after: number];
  synproxy?: [isn: number, its: number, tsoff: number];
  /** The index of the master flow. */
  master?: number;
}

function flowArguments(options: FlowOptions): string[] {
  const words: string[] = [];
  for (const name of ['seed', 'profile', 'network', 'zone', 'timeout'] as const) {
    const value = options[name];
    if (value !== undefined) words.push(`--${name}`, String(value));
  }
  if (options.labels) words.push('--labels');
  return words;
}

function fillArguments(options: FillOptions): string[] {
  const from = options.from === undefined ? [] : ['--from', String(options.from)];
  return [cProgram('ctfill'), '--count', String(options.count), ...from, ...flowArguments(options)];
}

/** Creates the flows. A flow that the kernel refuses is an error. */
export function fill(options: FillOptions): FillSummary {
  const netns = options.netns ?? Netns.current;
  return JSON.parse(run(netns.argv(fillArguments(options)))) as FillSummary;
}

/** Creates the flows and returns each. */
export function fillAndList(options: FillOptions): FilledFlow[] {
  const netns = options.netns ?? Netns.current;
  const lines = run(netns.argv([...fillArguments(options), '--print']))
    .trim()
    .split('\n');
  lines.pop(); // the summary
  return lines.map((line) => JSON.parse(line) as FilledFlow);
}

/** Creates and deletes flows until it is stopped. */
export class Churn implements AsyncDisposable {
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
  }

  /** Resolves when `live` flows exist. Then the first ones are deleted. */
  static async start(
    options: FlowOptions & { live?: number; maxSeconds?: number } = {},
  ): Promise<Churn> {
    const netns = options.netns ?? Netns.current;
    const child = Child.start(
      netns.argv([
        cProgram('ctchurn'),
        '--live',
        String(options.live ?? 4096),
        '--max-seconds',
        String(options.maxSeconds ?? 60),
        ...flowArguments(options),
      ]),
    );
    await child.line(/^ready$/);
    return new Churn(child);
  }

  /** Stops, deletes the remaining flows, and returns how many were created and deleted. */
  async stop(): Promise<{ created: number; deleted: number; seconds: number }> {
    const lines = await this.#child.finish();
    return JSON.parse(lines.at(-1) ?? '') as { created: number; deleted: number; seconds: number };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop('SIGKILL');
  }
}

/** Loads a rule that uses labels. From then on new flows of the namespace have room for 128 labels. */
export function useLabels(netns: Netns = Netns.current): void {
  netns.iptables('-A', 'INPUT', '-m', 'connlabel', '--label', '0');
}
