// The line that conntrack(8) prints for a flow. People and scripts know its form: it is the default output of
// libnetfilter_conntrack (conntrack-tools 1.4.7).
import type { FlowObject, FlowSide } from './fields.js';

// The names that libnetfilter_conntrack has. It prints `unknown` for the rest.
const lineNames: Record<number, string> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  33: 'dccp',
  47: 'gre',
  58: 'icmpv6',
  132: 'sctp',
  136: 'udplite',
};

function side(source: FlowObject, tuple: FlowSide, reply: boolean): string {
  const parts = [`src=${tuple.src}`, `dst=${tuple.dst}`];
  if (source.protocolNumber === 47) {
    if (tuple.srcPort !== undefined) {
      parts.push(
        `srckey=0x${tuple.srcPort.toString(16)}`,
        `dstkey=0x${tuple.dstPort!.toString(16)}`,
      );
    }
  } else if (tuple.srcPort !== undefined) {
    parts.push(`sport=${tuple.srcPort}`, `dport=${tuple.dstPort}`);
  } else if (source.protocolNumber === 33) {
    // It always prints ports of DCCP, although the kernel sends none since 6.17.
    parts.push('sport=0', 'dport=0');
  }
  if (tuple.icmpType !== undefined) {
    parts.push(`type=${tuple.icmpType}`, `code=${tuple.icmpCode}`, `id=${tuple.icmpId}`);
  }
  if (tuple.zone !== undefined) parts.push(`zone-${reply ? 'reply' : 'orig'}=${tuple.zone}`);
  if (tuple.packets !== undefined) parts.push(`packets=${tuple.packets}`, `bytes=${tuple.bytes}`);
  return parts.join(' ');
}

/** Seconds that the flow lasted, or has lasted until now. Only whole seconds of both clocks are compared. */
function lasted(start: bigint, stop: bigint | undefined): bigint {
  const second = 1_000_000_000n;
  const end = stop === undefined ? BigInt(Math.floor(Date.now() / 1000)) : stop / second;
  return end - start / second;
}

/** Whether the kernel sent fields that are 0 in a Flow where it did not. An event leaves out a mark of 0. */
export interface Sent {
  readonly mark: boolean;
  readonly status: boolean;
}

export function flowLine(flow: FlowObject, sent: Sent): string {
  const name = lineNames[flow.protocolNumber] ?? 'unknown';
  const parts = [`${name.padEnd(8)} ${flow.protocolNumber}`];
  if (flow.timeout !== undefined) parts.push(String(flow.timeout));
  if (flow.state !== undefined) parts.push(flow.state);
  parts.push(side(flow, flow.orig, false));
  if (sent.status && !flow.status.includes('seen_reply')) parts.push('[UNREPLIED]');
  parts.push(side(flow, flow.reply, true));
  if (flow.status.includes('hw_offload')) parts.push('[HW_OFFLOAD]');
  else if (flow.status.includes('offload')) parts.push('[OFFLOAD]');
  else if (flow.status.includes('assured')) parts.push('[ASSURED]');
  if (sent.mark) parts.push(`mark=${flow.mark}`);
  if (flow.secctx !== undefined) parts.push(`secctx=${flow.secctx}`);
  if (flow.zone !== 0) parts.push(`zone=${flow.zone}`);
  if (flow.start !== undefined) parts.push(`delta-time=${lasted(flow.start, flow.stop)}`);
  if (flow.helper !== undefined) parts.push(`helper=${flow.helper}`);
  if (flow.use !== undefined) parts.push(`use=${flow.use}`);
  return parts.join(' ');
}
