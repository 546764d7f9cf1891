// The rare fields of a flow. Those without a column are read from the attributes as the kernel sent them; rare-bytes.ts
// makes such attributes for flows that no kernel sent. Attribute numbers: linux/netfilter/nfnetlink_conntrack.h; payloads: ctnetlink_dump_* in nf_conntrack_netlink.c.
// A malformed attribute reads as absent.
import { formatIpv4, formatIpv6 } from '../../address.js';
import { protocolName } from '../../constants.js';
import type { FlowColumns } from '../columns/flow-columns.js';
import { attribute, attributes, be16, be32, be64, cString } from '../columns/netlink-attributes.js';
import { has } from '../columns/schema.js';
import type { FlowDccp, FlowMaster, FlowObject, FlowSctp, SeqAdj, Synproxy } from './fields.js';
import {
  type AttributeRun,
  cta,
  labelByte,
  type RareSource,
  writeDccp,
  writeHelper,
  writeLabels,
  writeMaster,
  writeSctp,
  writeSecctx,
  writeSeqAdj,
  writeSynproxy,
  writeUnknown,
} from './rare-bytes.js';

export function helperName(extra: Uint8Array): string | undefined {
  const help = attribute(extra, cta.help);
  return help && cString(attribute(help, 1));
}

function secctx(extra: Uint8Array): string | undefined {
  const nest = attribute(extra, cta.secctx);
  return nest && cString(attribute(nest, 1));
}

/** The numbers of the bits that are set. */
export function labels(extra: Uint8Array): number[] | undefined {
  const bitmap = attribute(extra, cta.labels);
  if (bitmap === undefined) return undefined;
  const bits: number[] = [];
  for (let bit = 0; bit < bitmap.length * 8; bit++) {
    if (((bitmap[labelByte(bit)] ?? 0) >> (bit & 7)) & 1) bits.push(bit);
  }
  return bits;
}

function seqAdjOf(extra: Uint8Array, type: number): SeqAdj | undefined {
  const nest = attribute(extra, type);
  if (nest === undefined) return undefined;
  const correctionPos = be32(attribute(nest, 1));
  const offsetBefore = be32(attribute(nest, 2));
  const offsetAfter = be32(attribute(nest, 3));
  if (correctionPos === undefined || offsetBefore === undefined || offsetAfter === undefined) {
    return undefined;
  }
  // The kernel's offsets are signed (struct nf_ct_seqadj).
  return { correctionPos, offsetBefore: offsetBefore | 0, offsetAfter: offsetAfter | 0 };
}

function seqAdj(extra: Uint8Array): FlowObject['seqAdj'] {
  const orig = seqAdjOf(extra, cta.seqAdjOrig);
  const reply = seqAdjOf(extra, cta.seqAdjReply);
  if (orig === undefined && reply === undefined) return undefined;
  return { ...(orig && { orig }), ...(reply && { reply }) };
}

function synproxy(extra: Uint8Array): Synproxy | undefined {
  const nest = attribute(extra, cta.synproxy);
  if (nest === undefined) return undefined;
  const isn = be32(attribute(nest, 1));
  const its = be32(attribute(nest, 2));
  const tsoff = be32(attribute(nest, 3));
  if (isn === undefined || its === undefined || tsoff === undefined) return undefined;
  return { isn, its, tsoff };
}

function sctp(extra: Uint8Array): FlowSctp | undefined {
  const nest = attribute(extra, cta.protoinfo);
  const found = nest && attribute(nest, 3);
  if (!found) return undefined;
  const orig = be32(attribute(found, 2));
  const reply = be32(attribute(found, 3));
  return orig === undefined || reply === undefined ? undefined : { vtag: { orig, reply } };
}

function dccp(extra: Uint8Array): FlowDccp | undefined {
  const nest = attribute(extra, cta.protoinfo);
  const found = nest && attribute(nest, 2);
  if (!found) return undefined;
  const role = attribute(found, 2)?.[0];
  const handshakeSeq = be64(attribute(found, 3));
  if (role === undefined) return undefined;
  return handshakeSeq === undefined ? { role } : { role, handshakeSeq };
}

/** CTA_TUPLE_ZONE of one direction. */
export function tupleZone(extra: Uint8Array, reply: boolean): number | undefined {
  const tuple = attribute(extra, reply ? cta.tupleReply : cta.tupleOrig);
  return tuple && be16(attribute(tuple, 3));
}

function master(extra: Uint8Array): FlowMaster | undefined {
  const tuple = attribute(extra, cta.tupleMaster);
  const ip = tuple && attribute(tuple, 1);
  const proto = tuple && attribute(tuple, 2);
  if (!ip || !proto) return undefined;
  const v4 = [attribute(ip, 1), attribute(ip, 2)];
  const v6 = [attribute(ip, 3), attribute(ip, 4)];
  const number = attribute(proto, 1)?.[0];
  if (number === undefined) return undefined;
  const [src, dst] = v4.every((part) => part?.length === 4)
    ? v4.map((part) => formatIpv4(be32(part)!))
    : v6.every((part) => part?.length === 16)
      ? v6.map((part) => formatIpv6(part!))
      : [];
  if (src === undefined || dst === undefined) return undefined;
  const srcPort = be16(attribute(proto, 2));
  const dstPort = be16(attribute(proto, 3));
  return {
    protocol: protocolName(number),
    src,
    dst,
    ...(srcPort === undefined ? {} : { srcPort }),
    ...(dstPort === undefined ? {} : { dstPort }),
  };
}

const known = new Set<number>(Object.values(cta));

/** Whether an attribute of this type has a place among the rare fields. */
export const isRare = (type: number): boolean => known.has(type);

function unknown(extra: Uint8Array): FlowObject['unknown'] {
  const found: { type: number; data: Uint8Array }[] = [];
  for (const [type, data] of attributes(extra)) {
    if (!known.has(type)) found.push({ type, data: data.slice() });
  }
  return found;
}

/**
 * A field that few flows have: what reads it, of the attributes that were kept or of columns, and its bits: `bits` of
 * `presence`, or `more` of `presenceMore`. One of these bits says that a row has the field. `write` is the inverse.
 */
type RareField = {
  [Name in keyof FlowObject]-?: {
    name: Name;
    read: (extra: Uint8Array, from: FlowColumns, row: number) => FlowObject[Name] | undefined;
    write: (run: AttributeRun, value: NonNullable<FlowObject[Name]>, flow: RareSource) => void;
  } & ({ bits: number; more?: undefined } | { bits?: undefined; more: number });
}[keyof FlowObject];

/** Rare fields that a flow gets one after the other, and all of their bits. */
export interface RareFields {
  bits: number;
  more: number;
  fields: readonly RareField[];
}

export const together = (...fields: RareField[]): RareFields => ({
  bits: fields.reduce((all, { bits = 0 }) => all | bits, 0),
  more: fields.reduce((all, { more = 0 }) => all | more, 0),
  fields,
});

/** In some tables many flows have these. */
export const named = together(
  { name: 'helper', bits: has.helper, read: helperName, write: writeHelper },
  { name: 'labels', bits: has.labels, read: labels, write: writeLabels },
  { name: 'secctx', bits: has.secctx, read: secctx, write: writeSecctx },
);

export const details = together(
  { name: 'sctp', bits: has.sctp, read: sctp, write: writeSctp },
  { name: 'dccp', bits: has.dccp, read: dccp, write: writeDccp },
  { name: 'seqAdj', bits: has.origSeqAdj | has.replySeqAdj, read: seqAdj, write: writeSeqAdj },
  { name: 'synproxy', bits: has.synproxy, read: synproxy, write: writeSynproxy },
  { name: 'master', bits: has.master, read: master, write: writeMaster },
  { name: 'unknown', bits: has.unknown, read: unknown, write: writeUnknown },
);

const allRare = [...named.fields, ...details.fields];
export const rareNames = allRare.map(({ name }) => name);

/** Writes those of the rare fields that a flow has. */
export function writeRare(run: AttributeRun, flow: RareSource): void {
  for (const { name, write } of allRare) {
    const value = flow[name];
    if (value !== undefined) (write as (...all: unknown[]) => void)(run, value, flow);
  }
}

/** What reads a rare field of the attributes that were kept of a row. */
export const rareReader = (name: keyof FlowObject) =>
  allRare.find((field) => field.name === name)!.read;

const noBytes = new Uint8Array(0);

/** Sets those of the fields that a row has. The second word of presence is read only where a field is in it. */
export function addRare(
  flow: FlowObject,
  { bits, more, fields }: RareFields,
  from: FlowColumns,
  row: number,
): void {
  const presence = from.presence[row]! & bits;
  const presenceMore = more === 0 ? 0 : from.presenceMore[row]! & more;
  if ((presence | presenceMore) === 0) return;
  const extra = from.store.extraBytes(row) ?? noBytes;
  for (const { name, bits = 0, more = 0, read } of fields) {
    if (((presence & bits) | (presenceMore & more)) === 0) continue;
    const value = read(extra, from, row);
    if (value !== undefined) (flow as unknown as Record<string, unknown>)[name] = value;
  }
}
