// What an expectation is, and how it is read from the kernel's message. Attribute numbers: CTA_EXPECT_* in
// linux/netfilter/nfnetlink_conntrack.h; payloads: ctnetlink_exp_dump_expect in nf_conntrack_netlink.c.
// A malformed message reads as undefined.
import { formatIpv4, formatIpv6 } from '../../address.js';
import { AF_INET, AF_INET6, type Family, type Protocol, protocolName } from '../../constants.js';
import { own as ownNumbers, messageHeader as place } from '../../native/numbers.js';
import { attribute, be16, be32, cString, littleEndian } from '../columns/netlink-attributes.js';

/** `NF_CT_EXPECT_*` bits by position (linux/netfilter/nf_conntrack_common.h). */
export const expectationFlags = ['permanent', 'inactive', 'userspace'] as const;
/**
 * `'permanent'`: it stays after a flow has met it. `'inactive'`: no flow meets it. `'userspace'`: a helper in user
 * space made it.
 */
export type ExpectationFlag = (typeof expectationFlags)[number];

/** Addresses and ports of a tuple. */
export interface ExpectationTuple {
  /** Source address as text. */
  readonly src: string;
  /** Destination address as text. */
  readonly dst: string;
  /** Source port, for protocols that have ports; for GRE, its key. */
  readonly srcPort?: number;
  /** Destination port, for protocols that have ports; for GRE, its key. */
  readonly dstPort?: number;
}

/** The original tuple of the flow whose helper expects another one. */
export interface ExpectationMaster extends ExpectationTuple {
  /** The protocol by name, or by its number where the package has no name for it. */
  readonly protocol: Protocol;
}

/** The bits of a source that must be as in the tuple. */
export interface ExpectationMask {
  /** The bits of the source address, as an address: `0.0.0.0` where any address matches. */
  readonly src: string;
  /** The bits of the source port: 0 where any port matches. Absent for protocols without ports. */
  readonly srcPort?: number;
}

/** How the kernel translates the flow that is expected. */
export interface ExpectationNat {
  /** CTA_EXPECT_NAT_DIR — the direction that is translated. */
  readonly direction: 'orig' | 'reply';
  /** CTA_EXPECT_NAT_TUPLE — the source address before translation. */
  readonly src: string;
  /** The source port before translation. Absent for protocols without ports. */
  readonly srcPort?: number;
}

/** A flow that is expected, and the flow that expects it. Plain data. */
export interface Expectation {
  /** CTA_EXPECT_ID — a number without a meaning, the same for the life of the expectation. */
  readonly id: number;
  /** The family of the addresses. */
  readonly family: Family;
  /** The protocol that is expected, by name or by its number where the package has no name for it. */
  readonly protocol: Protocol;
  /** The number of that protocol, 0 to 255. */
  readonly protocolNumber: number;
  /** CTA_EXPECT_TUPLE — the original tuple of the flow that is expected. */
  readonly tuple: ExpectationTuple;
  /**
   * CTA_EXPECT_MASK — the bits of the source address and of the source port that must be as in `tuple`: `0.0.0.0`
   * and 0 where any address and port match. The destination is always exact.
   */
  readonly mask: ExpectationMask;
  /** CTA_EXPECT_MASTER — the original tuple of the flow whose helper expects this one. */
  readonly master: ExpectationMaster;
  /**
   * Zone of the master flow, where the request named one: the kernel does not send it. An expectation in a zone that
   * is not 0 is found and deleted only with its `zone`.
   */
  readonly zone?: number;
  /** CTA_EXPECT_TIMEOUT — seconds left. */
  readonly timeout?: number;
  /** Names of the set bits of CTA_EXPECT_FLAGS. */
  readonly flags: readonly ExpectationFlag[];
  /** CTA_EXPECT_FLAGS — `NF_CT_EXPECT_*` bits. */
  readonly flagsBits: number;
  /** CTA_EXPECT_CLASS — the number of the helper's policy that applies. */
  readonly class: number;
  /** CTA_EXPECT_HELP_NAME — name of the master's helper. */
  readonly helper?: string;
  /** CTA_EXPECT_FN — name of the function that the kernel calls for the new flow. */
  readonly fn?: string;
  /** CTA_EXPECT_NAT — the source before translation, and the direction that is translated. */
  readonly nat?: ExpectationNat;
}

const cta = {
  ...{ master: 1, tuple: 2, mask: 3, timeout: 4, id: 5, helper: 6 },
  ...{ flags: 8, class: 9, nat: 10, fn: 11 },
} as const;

interface TupleParts {
  protocolNumber: number;
  tuple: ExpectationTuple;
}

function tupleOf(nest: Uint8Array | undefined, family: number): TupleParts | undefined {
  const ip = nest && attribute(nest, 1);
  const proto = nest && attribute(nest, 2);
  if (!ip || !proto) return undefined;
  const [first, size] = family === AF_INET ? [1, 4] : [3, 16];
  const src = attribute(ip, first!);
  const dst = attribute(ip, first! + 1);
  const protocolNumber = attribute(proto, 1)?.[0];
  if (src?.length !== size || dst?.length !== size || protocolNumber === undefined) {
    return undefined;
  }
  const address = (bytes: Uint8Array) =>
    family === AF_INET ? formatIpv4(be32(bytes)!) : formatIpv6(bytes, 0);
  const srcPort = be16(attribute(proto, 2));
  const dstPort = be16(attribute(proto, 3));
  return {
    protocolNumber,
    tuple: {
      src: address(src),
      dst: address(dst),
      ...(srcPort !== undefined && { srcPort }),
      ...(dstPort !== undefined && { dstPort }),
    },
  };
}

function natOf(nest: Uint8Array | undefined, family: number): Expectation['nat'] {
  const direction = nest && be32(attribute(nest, 1));
  const parts = nest && tupleOf(attribute(nest, 2), family);
  if (direction === undefined || !parts) return undefined;
  const { src, srcPort } = parts.tuple;
  return {
    direction: direction === 0 ? 'orig' : 'reply',
    src,
    ...(srcPort !== undefined && { srcPort }),
  };
}

/** Reads an expectation from the payload of a message: nfgenmsg, then attributes. */
export function parseExpectation(payload: Uint8Array): Expectation | undefined {
  const family = payload[0];
  if (payload.length < 4 || (family !== AF_INET && family !== AF_INET6)) return undefined;
  const attributes = payload.subarray(4);
  const expected = tupleOf(attribute(attributes, cta.tuple), family);
  const mask = tupleOf(attribute(attributes, cta.mask), family);
  const master = tupleOf(attribute(attributes, cta.master), family);
  const id = attribute(attributes, cta.id);
  if (!expected || !mask || !master || id === undefined || id.length < 4) return undefined;
  const timeout = be32(attribute(attributes, cta.timeout));
  const flagsBits = be32(attribute(attributes, cta.flags)) ?? 0;
  const helper = cString(attribute(attributes, cta.helper));
  const fn = cString(attribute(attributes, cta.fn));
  const nat = natOf(attribute(attributes, cta.nat), family);
  return {
    id: be32(id)!,
    family: family === AF_INET ? 'ipv4' : 'ipv6',
    protocol: protocolName(expected.protocolNumber),
    protocolNumber: expected.protocolNumber,
    tuple: expected.tuple,
    mask: {
      src: mask.tuple.src,
      ...(mask.tuple.srcPort !== undefined && { srcPort: mask.tuple.srcPort }),
    },
    master: { protocol: protocolName(master.protocolNumber), ...master.tuple },
    ...(timeout !== undefined && { timeout }),
    flags: expectationFlags.filter((_, bit) => (flagsBits >>> bit) & 1),
    flagsBits,
    class: be32(attribute(attributes, cta.class)) ?? 0,
    ...(helper !== undefined && { helper }),
    ...(fn !== undefined && { fn }),
    ...(nat && { nat }),
  };
}

/** A message of `RawSegment.messages`. */
export interface ExpectationMessage {
  /** An `eventType`; `none` in answers. */
  type: number;
  nsid: number | undefined;
  portid: number;
  /** undefined: not known. */
  own: boolean | undefined;
  /** undefined: malformed. */
  expectation: Expectation | undefined;
}

/** The messages that native code hands over. Each is a struct MessageHeader, payload, padding to 4. */
export function* expectationMessages(
  buffer: ArrayBuffer | undefined,
): Generator<ExpectationMessage> {
  if (buffer === undefined) return;
  const bytes = new Uint8Array(buffer);
  const header = new DataView(buffer);
  for (let at = 0; at + place.bytes <= bytes.length; ) {
    const size = header.getUint32(at + place.size, littleEndian);
    const nsid = header.getInt32(at + place.nsid, littleEndian);
    const own = header.getUint32(at + place.own, littleEndian);
    yield {
      type: header.getUint32(at + place.type, littleEndian),
      nsid: nsid < 0 ? undefined : nsid,
      portid: header.getUint32(at + place.portid, littleEndian),
      own: own === ownNumbers.unknown ? undefined : own === ownNumbers.yes,
      expectation: parseExpectation(bytes.subarray(at + place.bytes, at + place.bytes + size)),
    };
    at += place.bytes + ((size + 3) & ~3);
  }
}
