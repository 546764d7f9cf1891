// Flows from a seed, as messages that the kernel would send for them, written from the uapi headers. They also have
// parts that no available kernel sends (DCCP, security contexts, end times, future attributes). It shares no code
// with src.
import type {
  FlowMaster,
  FlowObject,
  FlowSide,
  FlowState,
  Protocol,
  StatusName,
} from '../../src/index.js';
import { Random } from './random.js';

const statusNames: StatusName[] = [
  ...(['expected', 'seen_reply', 'assured', 'confirmed', 'src_nat', 'dst_nat'] as const),
  ...([
    'seq_adjust',
    'src_nat_done',
    'dst_nat_done',
    'dying',
    'fixed_timeout',
    'template',
  ] as const),
  ...(['nat_clash', 'helper', 'offload', 'hw_offload'] as const),
];
const names: Record<number, Protocol> = {
  ...{ 1: 'icmp', 2: 'igmp', 6: 'tcp', 17: 'udp', 33: 'dccp', 47: 'gre', 50: 'esp', 51: 'ah' },
  ...{ 58: 'icmpv6', 132: 'sctp', 136: 'udplite' },
};
const numbers = Object.fromEntries(Object.entries(names).map(([number, name]) => [name, +number]));
const stateWords = (text: string) => text.split(' ') as FlowState[];
const states: Record<number, FlowState[]> = {
  6: stateWords(
    'NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2',
  ),
  132: stateWords(
    'NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT HEARTBEAT_ACKED',
  ),
  33: stateWords('NONE REQUEST RESPOND PARTOPEN OPEN CLOSEREQ CLOSING TIMEWAIT IGNORE INVALID'),
};
const hasPorts = (protocol: number) => [6, 17, 33, 47, 132, 136].includes(protocol);

const pools = {
  ipv4: ['10.0.0.1', '10.0.0.2', '10.1.2.3', '0.0.0.0', '255.255.255.255', '192.0.2.7'],
  ipv6: ['::', '::1', 'fe80::1', '2001:db8::5', '::ffff:10.0.0.1', '1:0:0:2::3', 'ff02::1:2'],
};

function makeSide(random: Random, family: 'ipv4' | 'ipv6', protocol: number): FlowSide {
  return {
    src: random.pick(pools[family]),
    dst: random.pick(pools[family]),
    ...(hasPorts(protocol) && {
      srcPort: random.below(65536),
      dstPort: random.pick([0, 53, 443, 65535]),
    }),
    ...((protocol === 1 || protocol === 58) && {
      icmpType: random.pick([8, 128]),
      icmpCode: random.below(3),
      icmpId: random.below(65536),
    }),
  };
}

const u64 = (random: Random) =>
  (BigInt(random.chance(60) ? 0 : random.u32()) << 32n) | BigInt(random.u32());

function counters(random: Random, chance: number) {
  return random.chance(chance) ? { packets: u64(random), bytes: u64(random) } : {};
}

function translation(orig: FlowSide, reply: FlowSide): FlowObject['nat'] {
  const end = (address: string, port: number | undefined) =>
    port === undefined ? { address } : { address, port };
  const src =
    orig.src !== reply.dst || orig.srcPort !== reply.dstPort || orig.icmpId !== reply.icmpId
      ? { src: end(reply.dst, reply.dstPort) }
      : {};
  const dst =
    orig.dst !== reply.src || orig.dstPort !== reply.srcPort
      ? { dst: end(reply.src, reply.srcPort) }
      : {};
  const nat = { ...src, ...dst };
  return Object.keys(nat).length > 0 ? nat : undefined;
}

/** Bits of nf_conntrack_tcp.h, from the lowest. */
const tcpFlags = [
  ...(['window_scale', 'sack_perm', 'close_init', 'be_liberal'] as const),
  ...(['data_unacknowledged', 'maxack_set', 'challenge_ack', 'simultaneous_open'] as const),
];
function flagsOf(flagBits: { orig: number; reply: number }) {
  const names = (bits: number) => tcpFlags.filter((_, bit) => (bits >> bit) % 2 === 1);
  return { flags: { orig: names(flagBits.orig), reply: names(flagBits.reply) }, flagBits };
}

function protocolParts(random: Random, protocol: number): Partial<FlowObject> {
  const known = states[protocol];
  if (known === undefined || random.chance(10)) return {};
  const state = random.pick(known);
  const pair = (below: number) => ({ orig: random.below(below), reply: random.below(below) });
  if (protocol === 132) return { state, sctp: { vtag: pair(2 ** 32) } };
  if (protocol === 33) {
    return { state, dccp: { role: random.below(2), handshakeSeq: u64(random) } };
  }
  const parts = {
    ...(random.chance(80) && { wscale: pair(15) }),
    ...(random.chance(80) && flagsOf(pair(256))),
  };
  return { state, ...(Object.keys(parts).length > 0 && { tcp: parts }) };
}

function rareParts(random: Random, family: 'ipv4' | 'ipv6'): Partial<FlowObject> {
  const adjust = () => ({
    correctionPos: random.u32(),
    offsetBefore: random.u32() | 0,
    offsetAfter: random.u32() | 0,
  });
  const seqAdj = {
    ...(random.chance(10) && { orig: adjust() }),
    ...(random.chance(10) && { reply: adjust() }),
  };
  const labels = Array.from({ length: 128 }, (_, bit) => bit).filter(() => random.chance(20));
  const master: FlowMaster = {
    protocol: random.pick(['tcp', 'udp', 'gre'] as const),
    src: random.pick(pools[family]),
    dst: random.pick(pools[family]),
    srcPort: random.below(65536),
    dstPort: random.below(65536),
  };
  const unknown = Array.from({ length: 1 + random.below(2) }, () => ({
    type: 40 + random.below(20),
    data: Uint8Array.from({ length: random.below(9) }, () => random.below(256)),
  }));
  return {
    ...(random.chance(20) && { helper: random.pick(['ftp', 'sip', 'a-name-of-16-b', 'ünïx']) }),
    ...(random.chance(20) && labels.length > 0 && { labels }),
    ...(random.chance(10) && { secctx: 'system_u:object_r:unlabeled_t:s0' }),
    ...(Object.keys(seqAdj).length > 0 && { seqAdj }),
    ...(random.chance(10) && {
      synproxy: { isn: random.u32(), its: random.u32(), tsoff: 1 + random.below(2 ** 31) },
    }),
    ...(random.chance(10) && { master }),
    ...(random.chance(8) && { unknown }),
  };
}

/** A flow as the package must read it. */
export function makeFlow(random: Random): FlowObject {
  const family = random.pick(['ipv4', 'ipv6'] as const);
  const icmp = family === 'ipv4' ? 1 : 58;
  const protocol = random.pick([6, 6, 6, 17, 17, 132, 47, 136, 33, icmp, 50, 51, 2, 89, 255]);
  const ends = makeSide(random, family, protocol);
  const mirrored: FlowSide = {
    ...ends,
    src: ends.dst,
    dst: ends.src,
    ...(ends.srcPort !== undefined && { srcPort: ends.dstPort, dstPort: ends.srcPort }),
  };
  const back = random.chance(70) ? mirrored : makeSide(random, family, protocol);
  const statusBits = random.below(65536);
  const zone = random.chance(20) ? random.below(65536) : 0;
  const direction = zone === 0 && random.chance(15) ? random.pick(['orig', 'reply']) : '';
  const zoned = (name: string) => (name === direction ? { zone: random.below(65536) } : {});
  const orig = { ...ends, ...zoned('orig'), ...counters(random, 75) };
  const reply = { ...back, ...zoned('reply'), ...counters(random, 'packets' in orig ? 95 : 5) };
  const nat = translation(ends, back);
  return {
    id: random.u32(),
    family,
    protocol: names[protocol] ?? protocol,
    protocolNumber: protocol,
    orig,
    reply,
    statusBits,
    status: statusNames.filter((_, bit) => (statusBits >> bit) & 1),
    mark: random.chance(50) ? 0 : random.u32(),
    zone,
    ...(random.chance(90) && { timeout: random.chance(20) ? 0 : random.below(500) }),
    ...(random.chance(90) && { use: 1 + random.below(3) }),
    ...(random.chance(60) && { start: u64(random) }),
    ...(random.chance(10) && { stop: u64(random) }),
    ...protocolParts(random, protocol),
    ...rareParts(random, family),
    ...(nat && { nat }),
  };
}

export function makeFlows(seed: number, count: number): FlowObject[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => makeFlow(random));
}

// ---- encoding -------------------------------------------------------------------------------------------

function attribute(type: number, payload: Uint8Array): Buffer {
  const whole = Buffer.alloc((4 + payload.length + 3) & ~3);
  whole.writeUInt16LE(4 + payload.length, 0);
  whole.writeUInt16LE(type, 2);
  whole.set(payload, 4);
  return whole;
}
const nest = (type: number, ...parts: Buffer[]) => attribute(type | 0x8000, Buffer.concat(parts));
const u8 = (type: number, value: number) => attribute(type, Uint8Array.of(value));
function be(type: number, bits: 16 | 32 | 64, value: number | bigint): Buffer {
  const payload = Buffer.alloc(bits / 8);
  if (bits === 16) payload.writeUInt16BE(Number(value));
  else if (bits === 32) payload.writeUInt32BE(Number(value) >>> 0);
  else payload.writeBigUInt64BE(BigInt(value));
  return attribute(type, payload);
}
const text = (type: number, value: string) => attribute(type, Buffer.from(`${value}\0`));
const given = (...parts: (Buffer | false | undefined)[]) =>
  parts.filter((part): part is Buffer => part instanceof Buffer);

function addressBytes(address: string): Uint8Array {
  if (!address.includes(':')) return Uint8Array.from(address.split('.').map(Number));
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const plain = dotted
    ? `${dotted[1]}${(+dotted[2]! * 256 + +dotted[3]!).toString(16)}:${(+dotted[4]! * 256 + +dotted[5]!).toString(16)}`
    : address;
  const [head = '', tail] = plain.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = groups(tail ?? '');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const all = [...left, ...(tail === undefined ? [] : zeros), ...right];
  return Uint8Array.from(
    all.flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 255];
    }),
  );
}

interface Ends {
  src: string;
  dst: string;
  srcPort?: number | undefined;
  dstPort?: number | undefined;
  icmpType?: number | undefined;
  icmpCode?: number | undefined;
  icmpId?: number | undefined;
  zone?: number | undefined;
}

function tuple(type: number, family: string, protocol: number, ends: Ends): Buffer {
  const [src, dst] = family === 'ipv4' ? [1, 2] : [3, 4];
  const [icmpId, icmpType, icmpCode] = protocol === 58 ? [7, 8, 9] : [4, 5, 6];
  return nest(
    type,
    nest(1, attribute(src, addressBytes(ends.src)), attribute(dst, addressBytes(ends.dst))),
    nest(
      2,
      ...given(
        u8(1, protocol),
        ends.srcPort !== undefined && be(2, 16, ends.srcPort),
        ends.dstPort !== undefined && be(3, 16, ends.dstPort),
        ends.icmpId !== undefined && be(icmpId, 16, ends.icmpId),
        ends.icmpType !== undefined && u8(icmpType, ends.icmpType),
        ends.icmpCode !== undefined && u8(icmpCode, ends.icmpCode),
      ),
    ),
    ...given(ends.zone !== undefined && be(3, 16, ends.zone)),
  );
}

function protoinfo(flow: FlowObject): Buffer | undefined {
  const state = flow.state === undefined ? -1 : states[flow.protocolNumber]!.indexOf(flow.state);
  if (state < 0) return undefined;
  if (flow.sctp) {
    const { orig, reply } = flow.sctp.vtag;
    return nest(4, nest(3, u8(1, state), be(2, 32, orig), be(3, 32, reply)));
  }
  if (flow.dccp) {
    const { role, handshakeSeq } = flow.dccp;
    return nest(4, nest(2, u8(1, state), u8(2, role), be(3, 64, handshakeSeq!)));
  }
  const { wscale, flagBits: flags } = flow.tcp ?? {};
  const parts = given(
    u8(1, state),
    wscale && u8(2, wscale.orig),
    wscale && u8(3, wscale.reply),
    flags && attribute(4, Uint8Array.of(flags.orig, 0)),
    flags && attribute(5, Uint8Array.of(flags.reply, 0)),
  );
  return nest(4, nest(1, ...parts));
}

const count = (type: number, side: FlowSide) =>
  side.packets !== undefined && nest(type, be(1, 64, side.packets), be(2, 64, side.bytes!));

/** The message of a dump for this flow. */
export function encodeFlow(flow: FlowObject): Buffer {
  const { family, protocolNumber, seqAdj, synproxy, master, labels } = flow;
  const bitmap = Buffer.alloc(16);
  for (const bit of labels ?? []) bitmap[bit >> 3]! |= 1 << (bit & 7);
  const adjust = (type: number, values: { [name: string]: number } | undefined) =>
    values &&
    nest(
      type,
      be(1, 32, values.correctionPos!),
      be(2, 32, values.offsetBefore!),
      be(3, 32, values.offsetAfter!),
    );
  const times = given(
    flow.start !== undefined && be(1, 64, flow.start),
    flow.stop !== undefined && be(2, 64, flow.stop),
  );
  const body = Buffer.concat([
    Uint8Array.of(family === 'ipv4' ? 2 : 10, 0, 0, 0),
    tuple(1, family, protocolNumber, flow.orig),
    tuple(2, family, protocolNumber, flow.reply),
    ...given(
      flow.zone !== 0 && be(18, 16, flow.zone),
      be(3, 32, flow.statusBits),
      flow.timeout !== undefined && be(7, 32, flow.timeout),
      count(9, flow.orig),
      count(10, flow.reply),
      times.length > 0 && nest(20, ...times),
      protoinfo(flow),
      flow.helper !== undefined && nest(5, text(1, flow.helper), attribute(2, Buffer.alloc(5, 1))),
      be(8, 32, flow.mark),
      flow.secctx !== undefined && nest(19, text(1, flow.secctx)),
      labels && attribute(22, bitmap),
      be(12, 32, flow.id!),
      flow.use !== undefined && be(11, 32, flow.use),
      master && tuple(14, family, numbers[master.protocol]!, master),
      adjust(15, seqAdj?.orig as { [name: string]: number } | undefined),
      adjust(16, seqAdj?.reply as { [name: string]: number } | undefined),
      synproxy &&
        nest(24, be(1, 32, synproxy.isn), be(2, 32, synproxy.its), be(3, 32, synproxy.tsoff)),
      ...(flow.unknown ?? []).map(({ type, data }) => attribute(type, data)),
    ),
  ]);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(0x0100, 4); // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW
  header.writeUInt16LE(2, 6); // NLM_F_MULTI
  return Buffer.concat([header, body]);
}
