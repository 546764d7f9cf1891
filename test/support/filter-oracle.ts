// A second implementation of filters, written from their documentation. It works on plain objects, with Node's own
// address arithmetic. It shares no code with src; it only asks src whether it refuses a filter.
import { BlockList } from 'node:net';
import { checkFilter } from '../../src/conntrack/filter/check.js';
import type {
  FlowFilter,
  FlowObject,
  FlowSide,
  Ports,
  SideFilter,
  StatusName,
} from '../../src/index.js';

const protocolNumbers: Record<string, number> = {
  ...{ icmp: 1, igmp: 2, tcp: 6, udp: 17, dccp: 33, gre: 47, esp: 50, ah: 51, icmpv6: 58 },
  ...{ sctp: 132, udplite: 136 },
};

/** The address as 32 or 128 bits. */
function bitsOf(address: string): bigint {
  if (!address.includes(':')) {
    return address.split('.').reduce((all, part) => all * 256n + BigInt(part), 0n);
  }
  const words = (text: string) =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
  // A dotted ending stands for two words.
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)]
      .map((word) => word.toString(16))
      .join(':'),
  );
  const [head = '', tail] = plain.split('::');
  const front = words(head);
  const back = tail === undefined ? [] : words(tail);
  const all = [...front, ...Array(8 - front.length - back.length).fill(0), ...back];
  return all.reduce((sum: bigint, word: number) => sum * 65536n + BigInt(word), 0n);
}

interface Prefix {
  family: 'ipv4' | 'ipv6';
  /** Bits behind the prefix. */
  drop: bigint;
  /** The bits of the prefix. */
  head: bigint;
}

interface Wanted {
  prefixes: Prefix[];
  // One list for each family: a BlockList would find an IPv4 address in `::/0`.
  blocks: { ipv4: BlockList; ipv6: BlockList };
  masks: { family: 'ipv4' | 'ipv6'; mask: bigint; value: bigint }[];
}

const wantedAddresses = new Map<string | readonly string[], Wanted>();
const numbers = new Map<string, bigint>();

function numberOf(address: string): bigint {
  let number = numbers.get(address);
  if (number === undefined) {
    number = bitsOf(address);
    numbers.set(address, number);
  }
  return number;
}

/** The addresses that prefixes and masks choose. Those of `::ffff:0:0/96` are IPv4. */
function wantedOf(given: string | readonly string[]): Wanted {
  const wanted: Wanted = {
    prefixes: [],
    blocks: { ipv4: new BlockList(), ipv6: new BlockList() },
    masks: [],
  };
  for (const text of list(given)) {
    const dotted = text.replace(/^::ffff:0:0(?=\/|$)/, '::ffff:0.0.0.0');
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?$/.exec(dotted);
    const plain =
      mapped === null
        ? text
        : `${mapped[1]}/${mapped[2] === undefined ? 32 : Number(mapped[2]) - 96}`;
    const family = plain.includes(':') ? 'ipv6' : 'ipv4';
    const [network = '', bits] = plain.split('/');
    if (bits !== undefined && /[.:]/.test(bits)) {
      const mask = bitsOf(bits);
      wanted.masks.push({ family, mask, value: bitsOf(network) & mask });
    } else {
      const whole = family === 'ipv4' ? 32 : 128;
      const length = bits === undefined ? whole : Number(bits);
      wanted.blocks[family].addSubnet(network, length, family);
      const drop = BigInt(whole - length);
      wanted.prefixes.push({ family, drop, head: bitsOf(network) >> drop });
    }
  }
  return wanted;
}

/** Whether one of the prefixes and masks contains an address. */
function within(
  address: string,
  given: string | readonly string[],
  family: 'ipv4' | 'ipv6',
): boolean {
  const under = ({ family: is, drop, head }: Prefix) =>
    is === family && numberOf(address) >> drop === head;
  let wanted = wantedAddresses.get(given);
  if (wanted === undefined) {
    wanted = wantedOf(given);
    wantedAddresses.set(given, wanted);
  }
  // A BlockList asks for every address in C++: for a few prefixes a comparison of numbers is faster.
  const few = wanted.prefixes.length <= 8;
  if (few ? wanted.prefixes.some(under) : wanted.blocks[family].check(address, family)) return true;
  return wanted.masks.some(
    (each) => each.family === family && (numberOf(address) & each.mask) === each.value,
  );
}

const wantedPorts = new WeakMap<readonly unknown[], Set<number>>();

function inRange(port: number | undefined, wanted: Ports): boolean {
  if (port === undefined) return false;
  if (typeof wanted === 'number') return port === wanted;
  if ('from' in wanted) return port >= wanted.from && port <= wanted.to;
  let ports = wantedPorts.get(wanted);
  if (ports === undefined) {
    ports = new Set();
    for (const one of wanted) {
      const { from, to } = typeof one === 'number' ? { from: one, to: one } : one;
      for (let each = from; each <= to; each++) ports.add(each);
    }
    wantedPorts.set(wanted, ports);
  }
  return ports.has(port);
}

function endsMatch(side: FlowSide, wanted: SideFilter, family: 'ipv4' | 'ipv6'): boolean {
  if (wanted.src !== undefined && !within(side.src, wanted.src, family)) return false;
  if (wanted.dst !== undefined && !within(side.dst, wanted.dst, family)) return false;
  for (const name of ['srcPort', 'dstPort'] as const) {
    const ports = wanted[name];
    if (ports !== undefined && !inRange(side[name], ports)) return false;
  }
  return true;
}

function sideMatches(side: FlowSide, wanted: SideFilter, family: 'ipv4' | 'ipv6'): boolean {
  if (!endsMatch(side, wanted, family)) return false;
  for (const name of ['icmpType', 'icmpCode', 'icmpId', 'zone'] as const) {
    if (wanted[name] !== undefined && side[name] !== wanted[name]) return false;
  }
  return true;
}

function statusMatches(flow: FlowObject, wanted: NonNullable<FlowFilter['status']>): boolean {
  const set = new Set(flow.status);
  if (typeof wanted === 'string') return set.has(wanted);
  if (Array.isArray(wanted)) return wanted.every((name) => set.has(name));
  const { all, any, none } = wanted as {
    all?: StatusName[];
    any?: StatusName[];
    none?: StatusName[];
  };
  if (all !== undefined && !all.every((name) => set.has(name))) return false;
  if (any !== undefined && any.length > 0 && !any.some((name) => set.has(name))) return false;
  return none === undefined || !none.some((name) => set.has(name));
}

function labelsMatch(labels: readonly number[], wanted: NonNullable<FlowFilter['label']>): boolean {
  if (typeof wanted === 'number') return labels.includes(wanted);
  const { all, any, none } = wanted;
  if (all?.some((label) => !labels.includes(label))) return false;
  if (any !== undefined && !any.some((label) => labels.includes(label))) return false;
  return !none?.some((label) => labels.includes(label));
}

function translated(from: FlowSide, to: FlowSide, end: 'src' | 'dst'): boolean {
  const other = end === 'src' ? 'dst' : 'src';
  if (from[end] !== to[other]) return true;
  if (end === 'src' && from.icmpId !== to.icmpId) return true;
  return from[`${end}Port`] !== to[`${other}Port`];
}

const list = <T>(value: T | readonly T[]): readonly T[] =>
  Array.isArray(value) ? (value as readonly T[]) : [value as T];

/** Whether the filter matches the flow. */
export function filterMatches(flow: FlowObject, filter: FlowFilter): boolean {
  const { mark } = filter;
  if (filter.family !== undefined && flow.family !== filter.family) return false;
  if (filter.protocol !== undefined) {
    const numbers = list(filter.protocol).map((one) =>
      typeof one === 'number' ? one : protocolNumbers[one],
    );
    if (!numbers.includes(flow.protocolNumber)) return false;
  }
  // The short fields have the names of those of a side.
  const short = filter as SideFilter;
  if (!endsMatch(flow.orig, short, flow.family)) return false;
  if (filter.orig && !sideMatches(flow.orig, filter.orig, flow.family)) return false;
  if (filter.reply && !sideMatches(flow.reply, filter.reply, flow.family)) return false;
  if (typeof mark === 'number' && flow.mark !== mark) return false;
  if (typeof mark === 'object') {
    const mask = BigInt(mark.mask);
    if ((BigInt(flow.mark) & mask) !== (BigInt(mark.value) & mask)) return false;
  }
  if (filter.status !== undefined && !statusMatches(flow, filter.status)) return false;
  if (filter.state !== undefined) {
    if (flow.state === undefined || !list(filter.state).includes(flow.state)) return false;
  }
  if (filter.zone !== undefined && flow.zone !== filter.zone) return false;
  if (filter.label !== undefined && !labelsMatch(flow.labels ?? [], filter.label)) return false;
  const { orig, reply } = flow;
  const { host, port } = filter;
  if (host !== undefined) {
    const hosts = [orig.src, orig.dst, reply.src, reply.dst];
    if (!hosts.some((address) => within(address, host, flow.family))) return false;
  }
  if (port !== undefined) {
    const ports = [orig.srcPort, orig.dstPort, reply.srcPort, reply.dstPort];
    if (!ports.some((one) => inRange(one, port))) return false;
  }
  if (filter.any !== undefined && !filter.any.some((one) => filterMatches(flow, one))) return false;
  if (filter.not !== undefined && filterMatches(flow, filter.not)) return false;
  if (filter.helper !== undefined && flow.helper !== filter.helper) return false;
  if (filter.nat !== undefined) {
    const from = translated(flow.orig, flow.reply, 'src');
    const to = translated(flow.orig, flow.reply, 'dst');
    const is = { src: from, dst: to, any: from || to, none: !from && !to };
    if (!is[filter.nat]) return false;
  }
  return true;
}

/** The filter in `filter` that an error is about, by the path of its field: `filter.any[1].not.orig.src`. */
function filterAt(filter: FlowFilter, path: string): FlowFilter {
  let at = filter;
  for (const step of path.split('.').slice(1, -1)) {
    const index = /^any\[(\d+)\]$/.exec(step)?.[1];
    if (index !== undefined) at = at.any![Number(index)]!;
    else if (step === 'not') at = at.not!;
    else break;
  }
  return at;
}

/**
 * Whether the package refuses a filter because nothing could match it, or nothing could match a filter in it. Throws if
 * it refuses although a flow matches.
 */
export function refusesRightly(filter: FlowFilter, flows: readonly FlowObject[]): boolean {
  try {
    checkFilter(filter);
    return false;
  } catch (error) {
    const { message } = error as Error;
    const refused = filterAt(filter, message.slice(0, message.indexOf(':')));
    const never = error instanceof RangeError && message.endsWith(': nothing could match');
    if (!never || flows.some((flow) => filterMatches(flow, refused))) throw error;
    return true;
  }
}
