// Properties of writing. Each given field is there afterwards, or the call says why not. Flows that were read can be
// written into an empty namespace, and read back equal.
import {
  Conntrack,
  conntrack,
  type Expectation,
  type ExpectationInit,
  type FlowInit,
  type FlowObject,
  NetfilterError,
} from '../../src/index.js';
import { canonical } from '../support/compare.js';
import { assert, suite, throws } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { useLabels } from '../support/populate.js';
import { Random } from '../support/random.js';

const test = suite('writing');

const six = (random: Random) => `fd00::${(1 + random.below(0xfffe)).toString(16)}`;
const four = (random: Random) => `10.${random.below(256)}.${random.below(256)}.1`;
const states: Record<string, string[]> = {
  tcp: ['NONE', 'SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'FIN_WAIT', 'TIME_WAIT', 'CLOSE', 'LISTEN'],
  sctp: ['CLOSED', 'COOKIE_WAIT', 'ESTABLISHED', 'SHUTDOWN_SENT'],
};

/** Random fields, also fields that do not fit together. */
function randomInit(random: Random): FlowInit {
  const protocol = random.pick(['tcp', 'tcp', 'udp', 'sctp', 'icmp', 'icmpv6', 'gre', 'esp', 89]);
  const v6 = protocol === 'icmpv6' || (protocol !== 'icmp' && random.chance(40));
  const address = () => (v6 ? six(random) : four(random));
  const side: Record<string, unknown> = { src: address(), dst: address() };
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    const icmpType = protocol === 'icmp' ? 8 : 128;
    Object.assign(side, { icmpType, icmpCode: 0, icmpId: random.below(65536) });
  } else if (protocol !== 'esp' && protocol !== 89) {
    Object.assign(side, { srcPort: 1 + random.below(65535), dstPort: 1 + random.below(65535) });
  }
  const may = (percent: number, fields: () => Record<string, unknown>) =>
    random.chance(percent) ? fields() : {};
  const place = random.below(3);
  const flags = ['seen_reply', 'assured', 'fixed_timeout', 'src_nat', 'offload', 'expected'];
  return {
    protocol,
    ...(place === 0 ? side : { [place === 1 ? 'orig' : 'reply']: side }),
    timeout: random.pick([0, 1000, 2_000_000, 3_000_000, 0xffffffff]),
    ...may(50, () => ({ mark: random.u32() })),
    ...may(30, () => ({ zone: random.below(65536) })),
    ...may(40, () => ({ status: random.some(random.chance(80) ? flags.slice(0, 3) : flags) })),
    ...may(20, () => ({ labels: random.some([0, 1, 63, 64, 127]) })),
    ...may(30, () => ({ state: random.pick(states[String(protocol)] ?? ['ESTABLISHED']) })),
    ...may(protocol === 'sctp' ? 80 : 2, () => ({ sctp: { vtag: { orig: 1, reply: 2 } } })),
    ...may(20, () => ({
      tcp: {
        wscale: { orig: random.below(15), reply: random.below(15) },
        ...may(50, () => ({ flagBits: { orig: random.below(64), reply: random.below(64) } })),
      },
    })),
    ...may(20, () => ({ nat: { [random.pick(['src', 'dst'])]: { address: address() } } })),
    ...may(15, () => ({ helper: random.pick(['ftp', 'irc', 'tftp', 'nonesuch']) })),
    ...may(10, () => ({ helperInfo: new Uint8Array(4) })),
    ...may(15, () => ({ seqAdj: { orig: { correctionPos: 1, offsetBefore: 2, offsetAfter: 3 } } })),
    ...may(15, () => ({ synproxy: { isn: 1, its: 2, tsoff: 3 } })),
  } as FlowInit;
}

/** The given fields that the flow does not have. */
function lost(init: FlowInit, flow: FlowObject): string[] {
  const problems: string[] = [];
  const say = (name: string, given: unknown, got: unknown) => {
    const inner = given as Record<string, unknown>;
    if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
      for (const [key, value] of Object.entries(inner)) {
        say(`${name}.${key}`, value, (got as Record<string, unknown> | undefined)?.[key]);
      }
    } else if (canonical(given) !== canonical(got)) {
      problems.push(`${name}: ${canonical(given)}, got ${canonical(got)}`);
    }
  };
  const {
    timeout,
    status = [],
    state,
    nat,
    helperInfo,
    ...rest
  } = init as FlowInit & {
    status?: string[];
  };
  const { src, dst, srcPort, dstPort, icmpType, icmpCode, icmpId, ...others } = rest;
  const direct = { src, dst, srcPort, dstPort, icmpType, icmpCode, icmpId };
  for (const [name, value] of Object.entries(direct)) {
    if (value !== undefined) say(`orig.${name}`, value, flow.orig[name as 'src']);
  }
  for (const [name, value] of Object.entries(others)) {
    // The kernel chooses the reply tuple of a translated flow.
    if (name !== 'reply' || nat === undefined) say(name, value, flow[name as 'mark']);
  }
  say('state', state === 'LISTEN' ? 'SYN_SENT2' : state, state === undefined ? state : flow.state);
  for (const name of status) if (!flow.status.includes(name as never)) problems.push(name);
  for (const end of ['src', 'dst'] as const) {
    const wanted = nat?.[end] as { address: string } | undefined;
    if (wanted && flow.nat?.[end]?.address !== wanted.address) problems.push(`nat.${end}`);
  }
  const seconds = timeout! || 1;
  if (flow.timeout! > seconds || flow.timeout! < seconds - 60) problems.push('timeout');
  return problems;
}

test('every given field of a flow is there afterwards, or refused', async () => {
  useLabels();
  Netns.current.translation();
  const random = new Random(2026);
  const count = { made: 0, refused: 0 };
  for (let round = 0; round < 600; round++) {
    await conntrack.flush();
    const init = randomInit(random);
    try {
      await (round % 3 === 0 ? conntrack.upsert(init) : conntrack.create(init));
    } catch (error) {
      const typed =
        error instanceof TypeError ||
        error instanceof RangeError ||
        error instanceof NetfilterError;
      assert.ok(typed, String(error));
      assert.is(Netns.current.flowCount(), 0, `${canonical(init)}: ${error}`);
      count.refused++;
      continue;
    }
    const flows = (await conntrack.dump()).toArray();
    if (flows.length === 0 && init.timeout === 0) continue;
    assert.is(flows.length, 1, canonical(init));
    assert.equal(lost(init, flows[0]!), [], canonical(init));
    count.made++;
  }
  assert.ok(count.made > 150 && count.refused > 100, JSON.stringify(count));
});

/** The fields of an expectation that do not change with time. */
function lasting({ id, timeout, ...rest }: Expectation): string {
  return canonical(rest);
}

test('every listed flow and expectation is accepted by an empty namespace, and reads back equal', async () => {
  const random = new Random(16);
  await conntrack.flush();
  const wanted: ExpectationInit[] = [];
  for (let n = 1; n <= 60; n++) {
    const v6 = random.chance(40);
    const address = v6 ? six : four;
    const master = {
      ...{ protocol: 'tcp' as const, src: address(random), dst: address(random) },
      ...{ srcPort: n, dstPort: 21, ...(random.chance(30) && { zone: 1 + random.below(9) }) },
    };
    await conntrack.create({ ...master, timeout: 3600, helper: 'ftp' });
    const protocol = random.pick(['tcp', 'udp'] as const);
    const mask = v6 ? 'ffff:ffff::' : '255.255.0.0';
    wanted.push({
      ...{ protocol, master },
      tuple: {
        ...{ src: address(random), dst: address(random), dstPort: 1 + random.below(65535) },
        ...(random.chance(50) && { srcPort: random.below(65536) }),
      },
      ...(random.chance(30) && { mask: { src: mask } }),
      ...(random.chance(50) && { timeout: 100 + random.below(1000) }),
      ...(random.chance(50) && { flags: random.some(['permanent', 'inactive'] as const) }),
      ...(random.chance(30) && { helper: 'ftp', class: 0 }),
      ...(random.chance(30) && { fn: 'nat-follow-master' }),
      ...(random.chance(30) && {
        nat: {
          direction: random.pick(['orig', 'reply'] as const),
          src: address(random),
          srcPort: n,
        },
      }),
    });
  }
  for (const init of wanted) await conntrack.expectations.create(init);
  const flows = (await conntrack.dump()).toArray();
  const byMaster = async (from: Conntrack) => {
    const lists = flows.map((master) => from.expectations.list({ master }));
    return (await Promise.all(lists)).flat();
  };
  const listed = await byMaster(conntrack);
  assert.is(listed.length, wanted.length);
  using netns = Netns.create();
  await using there = Conntrack.open({ netns: netns.path });
  assert.equal(await there.createMany(flows), { created: flows.length, failed: [] });
  for (const expectation of listed) await there.expectations.create(expectation);
  assert.equal((await byMaster(there)).map(lasting).sort(), listed.map(lasting).sort());
  const written = ({ id, use, timeout, ...rest }: FlowObject) => canonical(rest);
  assert.equal((await there.dump()).toArray().map(written).sort(), flows.map(written).sort());
});

test('upsert after close never opens the table again', async () => {
  using netns = Netns.create();
  const there = Conntrack.open({ netns: netns.path });
  const flow: FlowInit = {
    ...{ protocol: 'tcp', src: '10.0.0.1', dst: '10.0.0.2', srcPort: 1, dstPort: 2, timeout: 600 },
  };
  await there.create(flow);
  const upserting = there.upsert({ ...flow, mark: 5 });
  const closing = there.close();
  await throws(NetfilterError, /closed/i, () => upserting);
  await closing;
  await throws(NetfilterError, /closed/i, () => there.upsert(flow));
});

test.run();
