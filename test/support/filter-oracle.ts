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

interface Wanted {
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
      wanted.blocks[family].addSubnet(network, bits === undefined ? whole : Number(bits), family);
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
  let wanted = wantedAddresses.get(given);
  if (wanted === undefined) {
    wanted = wantedOf(given);
    wantedAddresses.set(given, wanted);
  }
  if (wanted.blocks[family].check(address, family)) return true;
  return wanted.masks.some(
    (each) => each.family === family && (numberOf(address) & each.mask) === each.value,
  );
}

function inRange(port: number | undefined, wanted: Ports): boolean {
  if (port === undefined) return false;
  if (typeof wanted === 'number') return port === wanted;
  if ('from' in wanted) return port >= wanted.from && port <= wanted.to;
  return wanted.some((one) => inRange(port, one));
}

function sideMatches(side: FlowSide, wanted: SideFilter, family: 'ipv4' | 'ipv6'): boolean {
  if (wanted.src !== undefined && !within(side.src, wanted.src, family)) return false;
  if (wanted.dst !== undefined && !within(side.dst, wanted.dst, family)) return false;
  for (const name of ['srcPort', 'dstPort'] as const) {
    const ports = wanted[name];
    if (ports !== undefined && !inRange(side[name], ports)) return false;
  }
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
  const { src, dst, srcPort, dstPort, mark } = filter;
  if (filter.family !== undefined && flow.family !== filter.family) return false;
  if (filter.protocol !== undefined) {
    const numbers = list(filter.protocol).map((one) =>
      typeof one === 'number' ? one : protocolNumbers[one],
    );
    if (!numbers.includes(flow.protocolNumber)) return false;
  }
  const short = Object.fromEntries(
    Object.entries({ src, dst, srcPort, dstPort }).filter(([, value]) => value !== undefined),
  ) as SideFilter;
  if (!sideMatches(flow.orig, short, flow.family)) return false;
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
  if (filter.label !== undefined && !flow.labels?.includes(filter.label)) return false;
  if (filter.helper !== undefined && flow.helper !== filter.helper) return false;
  if (filter.nat !== undefined) {
    const from = translated(flow.orig, flow.reply, 'src');
    const to = translated(flow.orig, flow.reply, 'dst');
    const is = { src: from, dst: to, any: from || to, none: !from && !to };
    if (!is[filter.nat]) return false;
  }
  return true;
}

/**
 * Whether the package refuses a filter because nothing could match it. Throws if it refuses although a flow matches.
 */
export function refusesRightly(filter: FlowFilter, matching: readonly FlowObject[]): boolean {
  try {
    checkFilter(filter);
    return false;
  } catch (error) {
    const never = error instanceof RangeError && error.message.endsWith(': nothing could match');
    if (!never || matching.length > 0) throw error;
    return true;
  }
}
