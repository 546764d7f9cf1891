// Random filters over the flows of a table.
import type { FlowFilter, FlowObject, Ports, StatusName } from '../../src/index.js';
import { filterMatches, refusesRightly } from './filter-oracle.js';
import type { Random } from './random.js';

/** An address, a prefix, a mask or a list of them, sometimes in IPv6 notation. */
function randomAddresses(random: Random, value: string): string | string[] {
  if (random.chance(75)) return randomAddress(random, value);
  // Ascending, descending or unordered, overlapping, and of both families.
  const many = random.pick([1, 2, 5, 40, 100]);
  const others = Array.from({ length: many }, () => {
    const other = random.chance(50)
      ? `10.${random.below(4)}.${random.below(256)}.${random.below(256)}`
      : `fd0a::${random.below(16).toString(16)}:0:0:${random.below(64).toString(16)}:1`;
    const bits = other.includes(':') ? 96 + random.below(33) : 14 + random.below(19);
    return random.chance(50) ? other : `${other}/${bits}`;
  });
  const list = random.chance(80) ? [...others, randomAddress(random, value)] : others;
  return random.chance(50) ? list : list.reverse();
}

function randomAddress(random: Random, given: string): string {
  // In a filter an IPv4-mapped address is IPv4, even if an IPv6 flow has it.
  const value = given.replace(/^::ffff:(?=\d+\.)/, '');
  const six = value.includes(':');
  const address = random.chance(10)
    ? six
      ? `fd0a::${random.below(16).toString(16)}:0:0:${random.below(64).toString(16)}:1`
      : `10.${random.below(256)}.${random.below(256)}.1`
    : value;
  const mapped = !six && random.chance(15);
  const written = mapped ? `::ffff:${address}` : address;
  if (random.chance(35)) return written;
  if (!mapped && random.chance(15)) {
    const masks = six
      ? ['ffff::', 'ffff:ffff::', '::ffff', 'ffff::ff', '::', 'ffff:ffff:ffff:ffff:ff00::']
      : ['255.255.255.0', '255.0.0.0', '255.0.0.255', '0.0.255.1', '0.0.0.0', '255.255.255.255'];
    return `${address}/${random.pick(masks)}`;
  }
  // Long and short prefixes, and the shortest and longest ones. Host bits stay set.
  const whole = six ? 128 : 32;
  const lengths = six ? [0, 1, 8, 16, 31, 32, 48, 61, 64, 104, 112, 121, 127, 128] : [0, 1, 7, 8];
  const bits = random.pick([...lengths, whole - random.below(whole), whole]);
  return `${written}/${mapped ? bits + 96 : bits}`;
}

function randomPort(random: Random, port: number): Ports {
  const kind = random.below(14);
  if (kind < 4) return port;
  if (kind < 5) return random.below(65536);
  if (kind < 6) return { from: 0, to: 65535 };
  if (kind < 7) return { from: port, to: port };
  if (kind < 10) {
    const from = Math.max(0, port - random.below(kind === 7 ? 10 : 20000));
    return { from, to: Math.min(65535, port + random.below(kind === 8 ? 10 : 20000)) };
  }
  // A list of two ports, which does not match the ports between them. Also lists of thousands.
  if (kind < 11) return [port, random.below(65536)];
  const many = random.pick([1, 3, 60, 70, 3000]);
  const ports: (number | { from: number; to: number })[] = random.chance(80) ? [port] : [];
  for (let i = 0; i < many; i++) {
    const from = random.below(65536);
    ports.push(random.chance(70) ? from : { from, to: Math.min(65535, from + random.below(200)) });
  }
  return ports;
}

const statusNames: StatusName[] = [
  ...(['expected', 'seen_reply', 'assured', 'confirmed', 'src_nat', 'dst_nat'] as const),
  ...(['seq_adjust', 'src_nat_done', 'dst_nat_done', 'fixed_timeout', 'helper'] as const),
];

function randomStatus(
  random: Random,
  status: readonly StatusName[],
): NonNullable<FlowFilter['status']> {
  const absent = statusNames.filter((name) => !status.includes(name));
  const kind = random.below(10);
  if (kind < 2) return random.pick(statusNames);
  if (kind < 4) return random.some(status);
  const parts: { all?: StatusName[]; any?: StatusName[]; none?: StatusName[] } = {};
  if (random.chance(50)) parts.all = random.some(status);
  if (random.chance(40)) parts.any = random.some(statusNames, 20);
  if (random.chance(60) || Object.keys(parts).length === 0) parts.none = random.some(absent, 30);
  return parts;
}

function randomMark(random: Random, mark: number): NonNullable<FlowFilter['mark']> {
  const kind = random.below(10);
  if (kind < 4) return mark;
  if (kind < 5) return random.u32();
  const mask = random.pick([1, 0xf, 0xff00, 0x80000000, 0xffffffff, random.below(2 ** 32 - 1) + 1]);
  return { value: ((random.chance(10) ? random.u32() : mark) & mask) >>> 0, mask };
}

function randomLabels(random: Random, labels: readonly number[]): NonNullable<FlowFilter['label']> {
  const some = () => Array.from({ length: 1 + random.below(4) }, () => random.below(128));
  if (random.chance(40)) return labels.length > 0 ? random.pick(labels) : random.below(128);
  const parts: { all?: number[]; any?: number[]; none?: number[] } = {};
  if (labels.length > 0 && random.chance(40)) parts.all = random.some(labels);
  if (labels.length > 0 && random.chance(40)) parts.any = [...some(), random.pick(labels)];
  if (random.chance(60) || Object.keys(parts).length === 0) parts.none = some();
  return parts;
}

/** Sets one condition, usually one that `flow` satisfies. Returns false if the field cannot be used here. */
function addCondition(
  random: Random,
  filter: Record<string, unknown>,
  field: string,
  flow: FlowObject,
): boolean {
  const reply = random.chance(40);
  const side = reply ? flow.reply : flow.orig;
  const place = reply ? 'reply' : random.chance(50) ? 'orig' : '';
  const set = (name: string, value: unknown): boolean => {
    // A shorthand and its long field exclude each other.
    const other = place === '' ? filter.orig : place === 'orig' ? filter : undefined;
    if ((other as Record<string, unknown> | undefined)?.[name] !== undefined) return false;
    if (place === '') filter[name] = value;
    else filter[place] = { ...(filter[place] as object), [name]: value };
    return true;
  };
  const inSide = (name: string, value: unknown) => {
    const where = reply ? 'reply' : 'orig';
    filter[where] = { ...(filter[where] as object), [name]: value };
    return true;
  };
  switch (field) {
    case 'family':
      filter.family = flow.family;
      return true;
    case 'protocol': {
      const named = random.chance(50) ? flow.protocol : flow.protocolNumber;
      filter.protocol = random.chance(60)
        ? named
        : [named, ...random.some(['tcp', 'udp', 'sctp', 'icmp', 58, 47, 89], 30)];
      return true;
    }
    case 'src':
    case 'dst':
      return set(field, randomAddresses(random, side[field]));
    case 'srcPort':
    case 'dstPort':
      return set(field, randomPort(random, side[field] ?? random.below(65536)));
    case 'icmpType':
    case 'icmpCode':
    case 'icmpId':
      if (side[field] === undefined && random.chance(90)) return false;
      return inSide(field, side[field] ?? random.below(3));
    case 'tupleZone':
      return inSide('zone', side.zone ?? 10 + random.below(5));
    case 'mark':
      filter.mark = randomMark(random, flow.mark);
      return true;
    case 'status':
      filter.status = randomStatus(random, flow.status);
      return true;
    case 'state':
      if (flow.state === undefined) return false;
      filter.state = random.chance(50)
        ? flow.state
        : [flow.state, ...random.some(['ESTABLISHED', 'CLOSED', 'SYN_SENT', 'COOKIE_WAIT'], 30)];
      return true;
    case 'zone':
      filter.zone = random.chance(80) ? flow.zone : random.below(8);
      return true;
    case 'label':
      filter.label = randomLabels(random, flow.labels ?? []);
      return flow.labels !== undefined || random.chance(10);
    case 'host':
      filter.host = randomAddresses(random, random.chance(50) ? side.src : side.dst);
      return true;
    case 'port':
      filter.port = randomPort(random, side.dstPort ?? random.below(65536));
      return side.dstPort !== undefined || random.chance(10);
    case 'helper':
      filter.helper = flow.helper ?? random.pick(['ftp', 'irc', 'tftp', 'sip']);
      return true;
    default:
      filter.nat = random.pick(['src', 'dst', 'any', 'none']);
      return true;
  }
}

const fields = [
  ...['family', 'protocol', 'src', 'dst', 'src', 'dst', 'srcPort', 'dstPort', 'srcPort', 'dstPort'],
  ...['icmpType', 'icmpCode', 'icmpId', 'tupleZone', 'mark', 'status', 'state', 'zone', 'label'],
  ...['helper', 'nat', 'host', 'port'],
];

/** The flows in a fixed order: the order of a dump differs after each boot. */
export function inOrder(flows: readonly FlowObject[]): FlowObject[] {
  const key = ({ protocolNumber, zone, orig }: FlowObject) =>
    JSON.stringify([protocolNumber, zone, orig.src, orig.dst, orig.srcPort, orig.icmpId]);
  const keyed = flows.map((flow): [string, FlowObject] => [key(flow), flow]);
  return keyed.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, flow]) => flow);
}

/**
 * A filter of one to four conditions. One of the flows satisfies most of them. The filter is never empty. The same
 * flows in the same order (`inOrder`) give the same filter.
 */
export function randomFilter(random: Random, flows: readonly FlowObject[]): FlowFilter {
  let flow = random.pick(flows);
  const first = random.pick(fields);
  // For a rare field this searches a flow that has it. Otherwise such conditions would never find a flow.
  for (let tries = 0; tries < 200 && !fits(flow, first); tries++) flow = random.pick(flows);
  const filter: Record<string, unknown> = {};
  const conditions = 1 + random.below(4);
  let added = addCondition(random, filter, first, flow) ? 1 : 0;
  while (added < conditions || Object.keys(filter).length === 0) {
    if (addCondition(random, filter, random.pick(fields), flow)) added++;
  }
  return filter as FlowFilter;
}

/** A filter with filters in it, in up to three levels. It often matches some of the flows. */
export function nestedFilter(random: Random, flows: readonly FlowObject[], depth = 3): FlowFilter {
  const inner = () =>
    depth > 1 && random.chance(40)
      ? nestedFilter(random, flows, depth - 1)
      : randomFilter(random, flows);
  const filter: FlowFilter = random.chance(40) ? randomFilter(random, flows) : {};
  const any = random.chance(65);
  if (any) filter.any = Array.from({ length: random.pick([1, 2, 2, 3, 3, 5, 20]) }, inner);
  if (!any || random.chance(45)) filter.not = inner();
  return filter;
}

/** Every second one has filters in it. */
function anyFilter(random: Random, flows: readonly FlowObject[]): FlowFilter {
  return (random.chance(50) ? nestedFilter : randomFilter)(random, flows);
}

/** A random filter that the package takes. Each refused filter must be refused rightly. */
export function takenFilter(
  random: Random,
  flows: readonly FlowObject[],
  make: (random: Random, flows: readonly FlowObject[]) => FlowFilter = anyFilter,
): FlowFilter {
  for (;;) {
    const filter = make(random, flows);
    if (!refusesRightly(filter, flows)) return filter;
  }
}

/**
 * A random filter that matches some of the flows and not all. Many other filters match all or none, because of
 * prefixes of length 0, wide lists and conditions that exclude each other.
 */
export function splittingFilter(
  random: Random,
  flows: readonly FlowObject[],
  make?: (random: Random, flows: readonly FlowObject[]) => FlowFilter,
): FlowFilter {
  for (;;) {
    const filter = takenFilter(random, flows, make);
    const matching = flows.filter((flow) => filterMatches(flow, filter)).length;
    if (matching > 0 && matching < flows.length) return filter;
  }
}

function fits(flow: FlowObject, field: string): boolean {
  if (field.startsWith('icmp')) return flow.orig.icmpType !== undefined;
  if (field === 'tupleZone') return flow.orig.zone !== undefined || flow.reply.zone !== undefined;
  if (field === 'label') return flow.labels !== undefined;
  if (field === 'helper') return flow.helper !== undefined;
  if (field === 'state') return flow.state !== undefined;
  return true;
}

/** The conditions of a filter by name: `reply.src`, `status`. */
export function conditionsOf(filter: FlowFilter): string[] {
  return Object.entries(filter).flatMap(([key, value]) =>
    key === 'orig' || key === 'reply'
      ? Object.keys(value as object).map((name) => `${key}.${name}`)
      : [key],
  );
}
