// conntrack(8) as an oracle: the flows that it lists and the events that it shows, each line as a plain object.
// libnetfilter_conntrack prints the text (snprintf_default.c). Numbers stay numbers, counters are bigint, and times
// stay the printed text.
import { until } from './awaited.js';
import { isListening } from './listening.js';
import { Netns } from './netns.js';
import { type Child, run } from './process.js';

export interface OracleSide {
  src: string;
  dst: string;
  /** GRE keys too. */
  srcPort?: number;
  dstPort?: number;
  icmpType?: number;
  icmpCode?: number;
  icmpId?: number;
  /** Zone of this direction only (`zone-orig=`, `zone-reply=`). */
  zone?: number;
  packets?: bigint;
  bytes?: bigint;
}

export interface OracleFlow {
  family: 'ipv4' | 'ipv6';
  protocol: number;
  /** As printed: `tcp`, `unknown` … */
  protocolName: string;
  /** Seconds. */
  timeout?: number;
  state?: string;
  orig: OracleSide;
  /** Absent if only the original direction was printed. */
  reply: OracleSide;
  /** The words in brackets: `ASSURED`, `UNREPLIED`, `OFFLOAD` … */
  flags: string[];
  mark?: number;
  zone?: number;
  use?: number;
  id?: number;
  helper?: string;
  /** Bit numbers (`labels: true`). */
  labels?: number[];
  secctx?: string;
  secmark?: number;
  /** `Thu Jan 1 00:00:00 1970`: only with ktimestamp, and only if the entry has one. */
  start?: string;
  stop?: string;
  /** Seconds since the start. */
  deltaTime?: number;
  /** Events only: the netlink port of the process that caused the change (with the flag `USERSPACE`). */
  portid?: number;
  /** Its name, if it was still running. */
  progname?: string;
}

export interface OracleEvent {
  type: 'new' | 'update' | 'destroy';
  flow: OracleFlow;
}

const sideNumbers: Record<string, keyof OracleSide> = {
  sport: 'srcPort',
  dport: 'dstPort',
  srckey: 'srcPort',
  dstkey: 'dstPort',
  type: 'icmpType',
  code: 'icmpCode',
};

const flowNumbers: Record<string, keyof OracleFlow> = {
  mark: 'mark',
  zone: 'zone',
  use: 'use',
  secmark: 'secmark',
  'delta-time': 'deltaTime',
  portid: 'portid',
};

const IPPROTO_DCCP = 33;

type Draft = Partial<OracleFlow> & { flags: string[] };

/** Reads one line of `conntrack -L`, with every `-o` except xml, userspace and save. */
export function parseConntrackLine(line: string): OracleFlow {
  const words = [...line.matchAll(/\[([^\]]*)\]|(\S+)/g)];
  const flow: Draft = { flags: [] };
  const sides: OracleSide[] = [];
  let position = 0;
  const plain = () => words[position]?.[2];
  if (plain() === 'ipv4' || plain() === 'ipv6') {
    flow.family = plain() as 'ipv4' | 'ipv6';
    position += 2; // and its number
  }
  flow.protocolName = plain() ?? '';
  position++;
  flow.protocol = Number(plain());
  position++;
  if (/^\d+$/.test(plain() ?? '')) flow.timeout = Number(words[position++]![2]);
  if (/^[A-Z][A-Z0-9_]*$/.test(plain() ?? '')) flow.state = words[position++]![2]!;
  for (const [, bracketed, word] of words.slice(position)) {
    if (bracketed !== undefined) takeBracketed(flow, bracketed);
    else takePair(flow, sides, word!, line);
  }
  const [orig, reply] = sides;
  if (orig === undefined || reply === undefined || sides.length !== 2) {
    throw new Error(`not two directions in: ${line}`);
  }
  // It prints ports for DCCP even if the kernel sent none: since 6.17 the kernel tracks DCCP without ports.
  if (flow.protocol === IPPROTO_DCCP) for (const side of sides) dropPortsThatAreNone(side);
  flow.family ??= orig.src.includes(':') ? 'ipv6' : 'ipv4';
  if (!Number.isInteger(flow.protocol)) throw new Error(`no protocol in: ${line}`);
  return { ...(flow as OracleFlow), orig, reply };
}

function dropPortsThatAreNone(side: OracleSide): void {
  if (side.srcPort !== 0 || side.dstPort !== 0) return;
  delete side.srcPort;
  delete side.dstPort;
}

function takeBracketed(flow: Draft, text: string): void {
  const time = /^(start|stop)=(.*)$/.exec(text);
  if (time === null) flow.flags.push(text);
  else flow[time[1] as 'start' | 'stop'] = time[2]!;
}

function takePair(flow: Draft, sides: OracleSide[], word: string, line: string): void {
  const equals = word.indexOf('=');
  const key = word.slice(0, equals);
  const value = word.slice(equals + 1);
  const side = sides.at(-1);
  if (equals < 0) throw new Error(`unexpected ${word} in: ${line}`);
  if (key === 'src') sides.push({ src: value, dst: '' });
  else if (key === 'dst') side!.dst = value;
  else if (key === 'packets' || key === 'bytes') side![key] = BigInt(value);
  else if (sideNumbers[key] !== undefined)
    Object.assign(side!, { [sideNumbers[key]]: Number(value) });
  else if (key === 'zone-orig') sides[0]!.zone = Number(value);
  else if (key === 'zone-reply') side!.zone = Number(value);
  // An ICMP id belongs to its direction. The id of the entry comes after both directions and after `use=`.
  else if (key === 'id' && side?.icmpType !== undefined && side.icmpId === undefined)
    side.icmpId = Number(value);
  else if (key === 'id') flow.id = Number(value);
  else if (flowNumbers[key] !== undefined)
    Object.assign(flow, { [flowNumbers[key]]: Number(value) });
  else if (key === 'helper' || key === 'secctx' || key === 'progname') flow[key] = value;
  else if (key === 'labels') flow.labels = value.split(',').map((name) => Number(name.slice(3)));
  else throw new Error(`unknown ${key}= in: ${line}`);
}

export interface ListOptions {
  family?: 'ipv4' | 'ipv6';
  /** Only this zone. */
  zone?: number;
  /** `conntrack` (default), `dying` or `unconfirmed`. */
  table?: 'conntrack' | 'dying' | 'unconfirmed';
  /** Shows labels: the oracle makes up names for the label bits. */
  labels?: boolean;
  /** More arguments of conntrack(8): `['-p', 'tcp']`. */
  args?: readonly string[];
  netns?: Netns;
}

// conntrack prints labels only with a file that names them. It needs no other file of /etc.
const withLabelNames = [
  ...['unshare', '--mount', 'sh', '-c'],
  `mount -t tmpfs tmpfs /etc && mkdir /etc/xtables &&
   i=0 && while [ $i -lt 128 ]; do echo "$i bit$i"; i=$((i + 1)); done > /etc/xtables/connlabel.conf &&
   exec "$@"`,
  'sh',
];

function listArguments(options: ListOptions, output: string): string[] {
  const words = ['conntrack', '-L', options.table ?? 'conntrack', '-o', output];
  if (options.family !== undefined) words.push('-f', options.family);
  if (options.zone !== undefined) words.push('-w', String(options.zone));
  return (options.netns ?? Netns.current).argv([...words, ...(options.args ?? [])]);
}

/** The lines that `conntrack -L` prints. */
export function conntrackLines(options: ListOptions = {}): string[] {
  const outputs = ['id', 'extended', 'ktimestamp', ...(options.labels ? ['labels'] : [])];
  const argv = listArguments(options, outputs.join(','));
  const text = run(options.labels ? [...withLabelNames, ...argv] : argv);
  return text.split('\n').filter((line) => line !== '');
}

/** The flows that `conntrack -L` lists, of both families or of one. */
export function conntrackList(options: ListOptions = {}): OracleFlow[] {
  return conntrackLines(options).map(parseConntrackLine);
}

/** The form for a restore: each line has the arguments of `conntrack -A …` that create the entry again. */
export function conntrackSave(options: ListOptions = {}): string[] {
  return run(listArguments(options, 'save'))
    .split('\n')
    .filter((line) => line !== '');
}

/** The count that `conntrack -C` prints. */
export function conntrackCount(netns: Netns = Netns.current): number {
  return Number(netns.exec('conntrack', '-C'));
}

/** `conntrack -E`. It listens when `start` has resolved. */
export class ConntrackEvents implements AsyncDisposable {
  private constructor(private readonly child: Child) {}

  static async start(
    options: { netns?: Netns; args?: readonly string[]; plain?: boolean } = {},
  ): Promise<ConntrackEvents> {
    const output = options.plain ? [] : ['-o', 'id,extended,ktimestamp'];
    const words = ['conntrack', '-E', ...output, ...(options.args ?? [])];
    const child = (options.netns ?? Netns.current).start(words);
    try {
      // It prints nothing when it is ready, but the kernel lists its socket with the joined groups.
      await until('conntrack -E listens', () => {
        if (!child.running) throw new Error(`conntrack -E ended: ${child.stderr}`);
        return isListening(child.pid);
      });
    } catch (error) {
      await child.stop('SIGKILL');
      throw error;
    }
    return new ConntrackEvents(child);
  }

  /** The lines so far, without the name of the program that caused a change over netlink. */
  get lines(): string[] {
    return this.child.lines.map((line) => line.replace(/ \[USERSPACE\].*$/, '').trimEnd());
  }

  /** Waits for this number of lines. */
  async untilLines(count: number): Promise<string[]> {
    await this.child.until(`${count} lines`, (lines) => (lines.length >= count ? true : undefined));
    return this.lines;
  }

  /** The events so far, in order. */
  get events(): OracleEvent[] {
    return this.child.lines.map(parseEvent);
  }

  /** Waits until the events so far satisfy `enough`, and returns them. */
  until(what: string, enough: (events: OracleEvent[]) => boolean): Promise<OracleEvent[]> {
    return this.child.until(what, () => {
      const events = this.events;
      return enough(events) ? events : undefined;
    });
  }

  async stop(): Promise<OracleEvent[]> {
    await this.child.stop('SIGINT');
    return this.events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stop('SIGKILL');
  }
}

function parseEvent(line: string): OracleEvent {
  const match = /^\s*\[(NEW|UPDATE|DESTROY)\]\s+(.*)$/.exec(line);
  if (match === null) throw new Error(`not an event: ${line}`);
  return {
    type: match[1]!.toLowerCase() as OracleEvent['type'],
    flow: parseConntrackLine(match[2]!),
  };
}
