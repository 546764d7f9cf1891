// Rare attributes as bytes, for flows that no kernel sent: the inverse of rare.ts, which has the list of the rare
// fields. Attribute numbers and payloads: see there.
import { writeAddress, writeFlowAddress } from '../../address.js';
import { protocolAt } from '../../checks.js';
import type { Family } from '../../constants.js';
import { AttributeWriter, littleEndian } from '../columns/netlink-attributes.js';
import { has, hasMore } from '../columns/schema.js';
import type {
  FlowDccp,
  FlowMaster,
  FlowObject,
  FlowSctp,
  SeqAdj,
  Synproxy,
  UnknownAttribute,
} from './fields.js';

export const cta = {
  tupleOrig: 1,
  tupleReply: 2,
  protoinfo: 4,
  help: 5,
  tupleMaster: 14,
  seqAdjOrig: 15,
  seqAdjReply: 16,
  secctx: 19,
  labels: 22,
  synproxy: 24,
} as const;

/** The byte of a label. The bitmap is an array of long in host order (nf_conntrack_labels.h). */
export const labelByte = (bit: number) =>
  littleEndian ? bit >> 3 : (bit >> 6) * 8 + 7 - ((bit & 63) >> 3);

/** A flow of which rare attributes are made. Its values have been checked. */
export interface RareSource extends Partial<FlowObject> {
  readonly family: Family;
  readonly helperInfo?: Uint8Array | undefined;
}

/** Rare attributes that are being made. Each sets the bits of presence that say so. */
export class AttributeRun extends AttributeWriter {
  presence = 0;
  presenceMore = 0;

  /** Numbers of 32 bits, with the types from 1 on. */
  words(type: number, ...values: number[]): void {
    this.nest(type, () => {
      values.forEach((value, i) => {
        this.be(i + 1, 4, value);
      });
    });
  }
}

export function writeHelper(run: AttributeRun, name: string, { helperInfo }: RareSource): void {
  run.presence |= has.helper;
  run.nest(cta.help, () => {
    run.text(1, name);
    if (helperInfo === undefined) return;
    run.presenceMore |= hasMore.helperInfo;
    run.bytes(2, helperInfo);
  });
}

export function writeLabels(run: AttributeRun, bits: readonly number[]): void {
  const bitmap = new Uint8Array(16);
  for (const bit of bits) bitmap[labelByte(bit)]! |= 1 << (bit & 7);
  run.presence |= has.labels;
  run.bytes(cta.labels, bitmap);
}

export function writeSecctx(run: AttributeRun, name: string): void {
  run.presence |= has.secctx;
  run.nest(cta.secctx, () => run.text(1, name));
}

export function writeSctp(run: AttributeRun, { vtag }: FlowSctp): void {
  run.presence |= has.sctp;
  run.nest(cta.protoinfo, () => {
    run.nest(3, () => {
      run.be(2, 4, vtag.orig);
      run.be(3, 4, vtag.reply);
    });
  });
}

export function writeDccp(run: AttributeRun, { role, handshakeSeq }: FlowDccp): void {
  run.presence |= has.dccp;
  run.nest(cta.protoinfo, () => {
    run.nest(2, () => {
      run.be(2, 1, role);
      if (handshakeSeq !== undefined) run.be(3, 8, handshakeSeq);
    });
  });
}

export function writeSeqAdj(
  run: AttributeRun,
  { orig, reply }: NonNullable<FlowObject['seqAdj']>,
): void {
  const add = (bit: number, type: number, adj: SeqAdj) => {
    run.presence |= bit;
    run.words(type, adj.correctionPos, adj.offsetBefore, adj.offsetAfter);
  };
  if (orig !== undefined) add(has.origSeqAdj, cta.seqAdjOrig, orig);
  if (reply !== undefined) add(has.replySeqAdj, cta.seqAdjReply, reply);
}

/** What is all 0 is no state: it is not kept of what the kernel sends either. */
export function writeSynproxy(run: AttributeRun, { isn, its, tsoff }: Synproxy): void {
  if (!(isn || its || tsoff)) return;
  run.presence |= has.synproxy;
  run.words(cta.synproxy, isn, its, tsoff);
}

export function writeMaster(run: AttributeRun, master: FlowMaster, { family }: RareSource): void {
  const v6 = family === 'ipv6';
  const address = (type: number, text: string) => {
    const bytes = new Uint8Array(16);
    (v6 ? writeAddress : writeFlowAddress)(text, bytes, 0);
    run.bytes(type + (v6 ? 2 : 0), bytes.subarray(0, v6 ? 16 : 4));
  };
  const { src, dst, srcPort, dstPort } = master;
  run.presence |= has.master;
  run.nest(cta.tupleMaster, () => {
    run.nest(1, () => {
      address(1, src);
      address(2, dst);
    });
    run.nest(2, () => {
      run.be(1, 1, protocolAt(master.protocol, 'protocol'));
      if (srcPort !== undefined) run.be(2, 2, srcPort);
      if (dstPort !== undefined) run.be(3, 2, dstPort);
    });
  });
}

/** CTA_TUPLE_ZONE of one direction. */
export function writeTupleZone(run: AttributeRun, reply: boolean, zone: number): void {
  run.presence |= reply ? has.replyZone : has.origZone;
  run.nest(reply ? cta.tupleReply : cta.tupleOrig, () => run.be(3, 2, zone));
}

export function writeUnknown(run: AttributeRun, list: readonly UnknownAttribute[]): void {
  run.presence |= has.unknown;
  for (const { type, data } of list) run.bytes(type, data);
}
