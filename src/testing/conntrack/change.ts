// What the kernel does with a change of a flow (ctnetlink_change_conntrack): its parts in their order. What comes before
// a part that it refuses is changed by then.

import { settableBits } from '../../conntrack/input/writable.js';
import { protocolNumbers, statusBits } from '../../constants.js';
import { windowScale } from '../../native/numbers.js';
import { flagsOf, seqAdjOf } from './create.js';
import type { Entry, Fields } from './entry.js';
import type { FlowTable } from './flow-table.js';
import { helperFits } from './helpers.js';
import { type Answer, done, errno } from './refusal.js';
import { news } from './rows.js';

const longest = 2_147_483;

function changeHelper(entry: Entry, name: string): Answer {
  if (name === '') {
    if (entry.helper !== undefined) entry.helper = '';
    return done;
  }
  if (!helperFits(name, entry)) return { errno: errno.EOPNOTSUPP };
  if (entry.helper === undefined) return { errno: errno.EOPNOTSUPP };
  return entry.helper === name ? done : { errno: errno.EBUSY };
}

function changeProtocol(entry: Entry, fields: Fields): void {
  const state = fields.number('state');
  if (entry.protocol === protocolNumbers.sctp) {
    if (state !== undefined) entry.state = state;
    entry.tags = fields.pair('sctpVtagOrig', 'sctpVtagReply') ?? entry.tags;
    return;
  }
  if (entry.protocol !== protocolNumbers.tcp) return;
  if (state !== undefined) entry.state = state;
  entry.flags = flagsOf(fields, entry.flags);
  const scales = fields.pair('tcpWscaleOrig', 'tcpWscaleReply');
  const both = entry.flags[0] & entry.flags[1] & windowScale;
  if (scales !== undefined && both !== 0) entry.scales = scales;
}

function changeLabels(entry: Entry, fields: Fields): Answer {
  const labels = fields.bytes('labels');
  if (labels === undefined) return done;
  const old = entry.labels;
  if (old === undefined) return { errno: errno.ENOSPC };
  const mask = fields.bytes('labelsMask');
  entry.labels = labels.map((byte, i) => (old[i]! & ~(mask?.[i] ?? 0xff)) ^ byte);
  return done;
}

/** What the kernel would drop in silence, and the package reports. */
function missing(entry: Entry, fields: Fields): Answer {
  const untaken = (detail: string): Answer => ({ errno: errno.EOPNOTSUPP, detail });
  if ((fields.number('timeout') ?? 0) > longest) {
    return untaken('timeout: this kernel cannot hold that many seconds');
  }
  if (fields.has('dccpRole', 'dccpHandshake')) {
    return untaken('dccp: this kernel does not track the protocol');
  }
  if (fields.has('helperInfo')) return untaken('helperInfo: the helper takes none');
  if (fields.has('seqAdjOrig', 'seqAdjReply') && entry.seqAdj === undefined) {
    return untaken('seqAdj: the flow was made without room for it');
  }
  const synproxy = fields.words('synproxy')?.some((word) => word !== 0) ?? false;
  if (synproxy && entry.synproxy === undefined) {
    return untaken('synproxy: the flow was made without room for it');
  }
  return done;
}

/** The parts that the kernel cannot refuse. */
function changeRest(entry: Entry, fields: Fields): void {
  entry.status |= (fields.number('status') ?? 0) & settableBits;
  changeProtocol(entry, fields);
  const mark = fields.number('mark');
  if (mark !== undefined) {
    const mask = fields.number('markMask') ?? 0xffffffff;
    entry.mark = ((entry.mark & ~mask) ^ mark) >>> 0;
  }
  const adj = [
    seqAdjOf(fields.words('seqAdjOrig')),
    seqAdjOf(fields.words('seqAdjReply')),
  ] as const;
  if (entry.seqAdj !== undefined && (adj[0] || adj[1])) {
    entry.seqAdj = [adj[0] ?? entry.seqAdj[0], adj[1] ?? entry.seqAdj[1]];
    entry.status |= statusBits.seq_adjust;
  }
  const words = fields.words('synproxy');
  if (entry.synproxy !== undefined && words !== undefined) {
    const [isn = 0, its = 0, tsoff = 0] = words;
    entry.synproxy = { isn, its, tsoff };
  }
}

/** Changes a flow. */
export function changeFlow(table: FlowTable, entry: Entry, fields: Fields): Answer {
  const helper = fields.text('helper');
  if (helper !== undefined) {
    const answer = changeHelper(entry, helper);
    if (answer.errno !== 0) return answer;
  }
  const seconds = fields.number('timeout');
  if (seconds !== undefined) {
    if ((entry.status & statusBits.fixed_timeout) !== 0) return { errno: errno.EPERM };
    entry.expires = table.now + Math.min(seconds, longest) * 1000;
  }
  changeRest(entry, fields);
  const answer = changeLabels(entry, fields);
  if (answer.errno !== 0) return answer;
  table.tell('update', entry, news.all);
  return missing(entry, fields);
}
