// toArrow: every value of every column is compared with its row.
import type { Table } from 'apache-arrow';
import type { FlowBatch, FlowObject } from '../../src/index.js';
import { decodeMessages } from '../support/decode-program.js';
import { encodeFlow, makeFlows } from '../support/flow-messages.js';
import { assert, suite } from '../support/harness.js';

const test = suite('arrow');

const flows = makeFlows(21, 1500);
const { batch } = decodeMessages(flows.map((flow) => encodeFlow(flow).toString('hex')));

type Value = string | number | bigint | null;

const states: Record<string, string[]> = {
  tcp: 'NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2'.split(
    ' ',
  ),
  sctp: 'NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT HEARTBEAT_ACKED'.split(
    ' ',
  ),
  dccp: 'NONE REQUEST RESPOND PARTOPEN OPEN CLOSEREQ CLOSING TIMEWAIT IGNORE INVALID'.split(' '),
};

/** The value of each column for a flow. */
function expected(flow: FlowObject): Record<string, Value> {
  const { orig, reply, tcp } = flow;
  return {
    id: flow.id!,
    status: flow.statusBits,
    timeout: flow.timeout ?? null,
    mark: flow.mark,
    use: flow.use ?? null,
    origSrc: orig.src,
    origDst: orig.dst,
    replySrc: reply.src,
    replyDst: reply.dst,
    origSrcPort: orig.srcPort ?? null,
    origDstPort: orig.dstPort ?? null,
    replySrcPort: reply.srcPort ?? null,
    replyDstPort: reply.dstPort ?? null,
    zone: flow.zone,
    family: flow.family,
    protocol: String(flow.protocol),
    protocolNumber: flow.protocolNumber,
    state: flow.state === undefined ? null : states[flow.protocol]!.indexOf(flow.state),
    tcpWscaleOrig: tcp?.wscale?.orig ?? null,
    tcpWscaleReply: tcp?.wscale?.reply ?? null,
    tcpFlagsOrig: tcp?.flagBits?.orig ?? null,
    tcpFlagsReply: tcp?.flagBits?.reply ?? null,
    origPackets: orig.packets ?? null,
    origBytes: orig.bytes ?? null,
    replyPackets: reply.packets ?? null,
    replyBytes: reply.bytes ?? null,
    start: flow.start ?? null,
    stop: flow.stop ?? null,
  };
}

function same(part: FlowBatch, rows: FlowObject[]): void {
  const table = part.toArrow<Table>();
  const wanted = rows.map(expected);
  const names = Object.keys(expected(flows[0]!)).sort();
  assert.equal(table.schema.fields.map(({ name }) => name).sort(), names);
  assert.is(table.numRows, rows.length);
  for (const name of names) {
    const column = table.getChild(name)!;
    assert.is(column.length, rows.length, name);
    const values = Array.from({ length: rows.length }, (_, i) => column.get(i) as Value);
    assert.equal(
      values,
      wanted.map((row) => row[name]),
      name,
    );
    assert.is(column.nullCount, wanted.filter((row) => row[name] === null).length, name);
  }
}

test('every value of every column', () => same(batch, flows));

test('every value of slices and filtered batches', () => {
  same(batch.slice(100, 777), flows.slice(100, 777));
  same(
    batch.slice(3).filter({ family: 'ipv6' }),
    flows.slice(3).filter(({ family }) => family === 'ipv6'),
  );
  same(
    batch.filter(() => false),
    [],
  );
});

test('numeric columns share the memory of the batch', () => {
  const table = batch.toArrow<Table>();
  for (const name of ['mark', 'origBytes', 'zone', 'state'] as const) {
    const [data] = table.getChild(name)!.data;
    assert.is((data!.values as Uint32Array).buffer, batch.columns[name].buffer, name);
  }
});

test('rows that iterate are the flows', () => {
  const rows = [...batch.slice(0, 50).toArrow<Table>()].map((row) => row!.toJSON());
  assert.equal(
    rows.map((row) => [row.origSrc, row.mark, row.start]),
    flows.slice(0, 50).map((flow) => [flow.orig.src, flow.mark, flow.start ?? null]),
  );
});

test.run();
