// The oracles are compared with each other and with the flows that were created. Three programs, which share no code
// path from the table to the test, must agree before the package is compared with them.
import {
  conntrackCount,
  conntrackList,
  conntrackSave,
  type OracleFlow,
} from '../support/conntrack-oracle.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { nfctDump, nfctParse, oracleOf } from '../support/nfct-oracle.js';
import { Churn, fill, fillAndList, useLabels } from '../support/populate.js';

const test = suite('oracles');
const count = 3000;

const empty = () => Netns.current.exec('conntrack', '-F');
const key = (flow: { zone?: number; protocol: number; orig: object }) =>
  JSON.stringify([flow.protocol, flow.zone ?? 0, flow.orig]);
// The seconds change between two dumps, and conntrack(8) itself holds a reference.
function comparable(flow: OracleFlow): OracleFlow {
  const { timeout, use, start, stop, deltaTime, ...rest } = flow;
  // The library has the ICMP numbers of only the original direction.
  const { icmpType, icmpCode, icmpId, ...reply } = rest.reply;
  return { ...rest, reply, flags: [...rest.flags].sort() };
}
const byId = (flows: OracleFlow[]) => new Map(flows.map((flow) => [flow.id, flow]));

test('conntrack(8) and libnetfilter_conntrack see the same table', () => {
  empty();
  useLabels();
  Netns.current.conntrackSysctls({ acct: 1, timestamp: 1 });
  fill({ count, labels: true });
  const listed = byId(conntrackList({ labels: true }));
  const parsed = nfctDump({ raw: true });
  assert.is(listed.size, count);
  assert.is(parsed.length, count);
  assert.is(conntrackCount(), count);
  for (const message of parsed) {
    const flow = oracleOf(message);
    assert.equal(comparable(flow), comparable(listed.get(flow.id)!));
  }
  const labelled = parsed.filter(({ attributes }) => attributes.connlabels !== undefined);
  assert.ok(labelled.length > count / 8);
  const again = nfctParse(parsed.map(({ raw }) => raw!));
  assert.ok(again.survived);
  assert.equal(
    again.messages,
    parsed.map(({ raw, ...message }) => message),
  );
});

test('the table has the flows that the fill program prints, with the kernel’s own bits', () => {
  empty();
  const flows = fillAndList({ count, seed: 7, labels: true });
  assert.is(flows.length, count);
  const table = new Map(
    nfctDump().map((message) => {
      const flow = oracleOf(message);
      const a = message.attributes;
      const { packets, bytes, ...orig } = flow.orig;
      return [key({ ...flow, orig: sorted(orig) }), { flow, a }];
    }),
  );
  assert.is(table.size, count);
  const byIndex = new Map(flows.map((flow) => [flow.index, flow]));
  for (const filled of flows) {
    const found = table.get(key({ ...filled, orig: sorted(filled.orig) }));
    assert.ok(found !== undefined, JSON.stringify(filled));
    const { flow, a } = found;
    assert.is(flow.family, filled.family);
    for (const name of ['src', 'dst', 'srcPort', 'dstPort', 'zone'] as const) {
      assert.is(flow.reply[name], filled.reply[name], `${name} of ${JSON.stringify(filled)}`);
    }
    assert.is(a.status, filled.status, `status of ${JSON.stringify(filled)}`);
    assert.is(a.mark, filled.mark);
    assert.is(flow.state, filled.state ?? (filled.protocol === 6 ? 'NONE' : undefined));
    assert.is(a.helper_name, filled.helper);
    assert.equal(a.connlabels, filled.labels);
    assert.ok(a.timeout! <= filled.timeout && a.timeout! > filled.timeout - 60);
    if (filled.wscales) assert.equal([a.tcp_wscale_orig, a.tcp_wscale_repl], filled.wscales);
    if (filled.vtags) assert.equal([a.sctp_vtag_orig, a.sctp_vtag_repl], filled.vtags);
    if (filled.synproxy) {
      assert.equal([a.synproxy_isn, a.synproxy_its, a.synproxy_tsoff], filled.synproxy);
    }
    if (filled.seqAdjReply) {
      assert.equal(
        [a.repl_nat_seq_correction_pos, a.repl_nat_seq_offset_before, a.repl_nat_seq_offset_after],
        filled.seqAdjReply,
      );
    }
    if (filled.master !== undefined) {
      const master = byIndex.get(filled.master)!;
      assert.is(a.master_ipv4_src, master.orig.src);
      assert.is(a.master_port_dst, master.orig.dstPort);
    }
  }
  for (const part of ['snat', 'dnat', 'master', 'helper', 'synproxy', 'seqAdjOrig'] as const) {
    assert.ok(
      flows.some((flow) => flow[part] !== undefined),
      `no flow with ${part}`,
    );
  }
  assert.equal(fillAndListAgain(), flows);
});

function sorted(side: object): object {
  return Object.fromEntries(Object.entries(side).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function fillAndListAgain() {
  empty();
  return fillAndList({ count, seed: 7, labels: true });
}

test('the other profiles have the described flows', () => {
  empty();
  for (const [profile, family, protocol] of [
    ['tcp4', 'ipv4', 6],
    ['tcp6', 'ipv6', 6],
    ['udp4', 'ipv4', 17],
  ] as const) {
    const summary = fill({ count: 500, profile });
    assert.is(summary[family], 500);
    assert.equal(summary.protocols, { [protocol]: 500 });
    empty();
  }
  fill({ count: 500, profile: 'plain', zone: 3 });
  const flows = conntrackList({ zone: 3 });
  assert.is(flows.length, 500);
  assert.is(flows.filter((flow) => flow.flags.includes('ASSURED')).length, 250);
  assert.is(conntrackSave().length, 500);
});

test('churn does not touch other flows, and leaves none of its own', async () => {
  empty();
  fill({ count: 500 });
  await using churn = await Churn.start({ live: 1000, maxSeconds: 20 });
  assert.ok(conntrackCount() > 500);
  const { created, deleted } = await churn.stop();
  assert.ok(created >= 960);
  assert.is(deleted, created);
  assert.is(conntrackCount(), 500);
});

test('a malformed message ends the oracle, not the test', () => {
  const [message] = nfctDump({ raw: true });
  const raw = message!.raw!;
  const bytes = Buffer.from(raw, 'hex');
  // CTA_STATUS with two bytes instead of four.
  const bad = Buffer.concat([bytes.subarray(0, 20), Buffer.from([6, 0, 3, 0, 0, 0, 0, 0])]);
  bad.writeUInt32LE(bad.length, 0);
  const { messages, survived } = nfctParse([raw, bad.toString('hex')]);
  assert.is(messages.length, 1);
  assert.not(survived);
});

test.run();
