// Meaning of the rare attributes that native code leaves as the kernel sent them. Attribute numbers:
// linux/netfilter/nfnetlink_conntrack.h; payloads: ctnetlink_dump_* in nf_conntrack_netlink.c. Every
// length is checked: a malformed attribute reads as absent.
import { formatIpv4, formatIpv6 } from '../../address.js';
import { protocolName } from '../../constants.js';
import type { FlowMaster, SeqAdj, Synproxy } from './fields.js';

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

/** A run of netlink attributes; the first with that type, without its header. */
export function attribute(bytes: Uint8Array, type: number): Uint8Array | undefined {
  for (const [found, payload] of attributes(bytes)) if (found === type) return payload;
  return undefined;
}

/** Every attribute of a run, up to its end or the first length that makes no sense. */
export function* attributes(bytes: Uint8Array): Generator<[type: number, payload: Uint8Array]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, littleEndian);
    if (length < 4 || at + length > bytes.length) return;
    // Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
    yield [view.getUint16(at + 2, littleEndian) & 0x3fff, bytes.subarray(at + 4, at + length)];
    at += (length + 3) & ~3;
  }
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function be16(bytes: Uint8Array | undefined): number | undefined {
  return bytes !== undefined && bytes.length >= 2 ? view(bytes).getUint16(0) : undefined;
}

function be32(bytes: Uint8Array | undefined): number | undefined {
  return bytes !== undefined && bytes.length >= 4 ? view(bytes).getUint32(0) : undefined;
}

const decoder = new TextDecoder();

function cString(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

export function helperName(extra: Uint8Array): string | undefined {
  const help = attribute(extra, cta.help);
  return help && cString(attribute(help, 1));
}

/** CTA_HELP_INFO: the helper's private data, as it came. */
export function helperInfo(extra: Uint8Array): Uint8Array | undefined {
  const help = attribute(extra, cta.help);
  return help && attribute(help, 2);
}

export function secctx(extra: Uint8Array): string | undefined {
  const nest = attribute(extra, cta.secctx);
  return nest && cString(attribute(nest, 1));
}

/** Numbers of the set bits. The bitmap is an array of long in host order (nf_conntrack_labels.h). */
export function labels(extra: Uint8Array): number[] | undefined {
  const bitmap = attribute(extra, cta.labels);
  if (bitmap === undefined) return undefined;
  const bits: number[] = [];
  for (let bit = 0; bit < bitmap.length * 8; bit++) {
    const byte = littleEndian ? bit >> 3 : (bit >> 6) * 8 + 7 - ((bit & 63) >> 3);
    if (((bitmap[byte] ?? 0) >> (bit & 7)) & 1) bits.push(bit);
  }
  return bits;
}

export function seqAdj(extra: Uint8Array, type: number): SeqAdj | undefined {
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

export function synproxy(extra: Uint8Array): Synproxy | undefined {
  const nest = attribute(extra, cta.synproxy);
  if (nest === undefined) return undefined;
  const isn = be32(attribute(nest, 1));
  const its = be32(attribute(nest, 2));
  const tsoff = be32(attribute(nest, 3));
  if (isn === undefined || its === undefined || tsoff === undefined) return undefined;
  return { isn, its, tsoff };
}

export function sctpVtags(extra: Uint8Array): { orig: number; reply: number } | undefined {
  const nest = attribute(extra, cta.protoinfo);
  const sctp = nest && attribute(nest, 3);
  if (!sctp) return undefined;
  const orig = be32(attribute(sctp, 2));
  const reply = be32(attribute(sctp, 3));
  return orig === undefined || reply === undefined ? undefined : { orig, reply };
}

export function dccp(extra: Uint8Array): { role: number; handshakeSeq?: bigint } | undefined {
  const nest = attribute(extra, cta.protoinfo);
  const found = nest && attribute(nest, 2);
  if (!found) return undefined;
  const role = attribute(found, 2)?.[0];
  const handshake = attribute(found, 3);
  if (role === undefined) return undefined;
  if (handshake === undefined || handshake.length < 8) return { role };
  return { role, handshakeSeq: view(handshake).getBigUint64(0) };
}

/** CTA_TUPLE_ZONE of one direction. */
export function tupleZone(extra: Uint8Array, reply: boolean): number | undefined {
  const tuple = attribute(extra, reply ? cta.tupleReply : cta.tupleOrig);
  return tuple && be16(attribute(tuple, 3));
}

/** CTA_TUPLE_MASTER: the original tuple of the flow that expected this one. */
export function master(extra: Uint8Array): FlowMaster | undefined {
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

const known = new Set<number>([...Object.values(cta)]);

/** Attributes that this version of the package has no name for. */
export function unknownAttributes(extra: Uint8Array): { type: number; data: Uint8Array }[] {
  const found: { type: number; data: Uint8Array }[] = [];
  for (const [type, data] of attributes(extra)) {
    if (!known.has(type)) found.push({ type, data: data.slice() });
  }
  return found;
}
