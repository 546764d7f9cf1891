// A checked filter as the words that native code compiles (schema/filter_words.h).
import { natMatch } from '../../native/numbers.js';
import { filterOp } from '../columns/schema.js';
import type { AddressSet } from './address-set.js';
import type { CheckedFilter } from './types.js';

/** An IPv4 address is in the first of the four words. */
function fourWords(words: Uint32Array): number[] {
  return Array.from({ length: 4 }, (_, i) => words[i] ?? 0);
}

function packAddresses(op: number[], { v4, v6, masked }: AddressSet): ArrayLike<number>[] {
  const counts = [v4.length / 2, v6.length / 8, masked.length];
  return [
    [...op, ...counts],
    v4,
    v6,
    ...masked.map(({ family, value, mask }) => [family, ...fourWords(value), ...fourWords(mask)]),
  ];
}

function packHelper(helper: string): ArrayLike<number>[] {
  const name = Buffer.from(helper);
  const padded = new Uint8Array(Math.ceil(name.length / 4) * 4);
  padded.set(name);
  return [[filterOp.helper, name.length], new Uint32Array(padded.buffer)];
}

/** A filter in a filter: the number of its words, then these. */
function packInner(filter: CheckedFilter): ArrayLike<number>[] {
  const words = packFilter(filter);
  return [[words.length], words];
}

/** The words of a filter. */
export function packFilter(filter: CheckedFilter): Uint32Array {
  // In parts, because a list may have a million entries.
  const parts: ArrayLike<number>[] = [];
  if (filter.family !== undefined) parts.push([filterOp.family, filter.family]);
  const { protocols } = filter;
  if (protocols) parts.push([filterOp.protocol, protocols.length], protocols);
  filter.addresses.forEach((set, side) => {
    if (set !== undefined) parts.push(...packAddresses([filterOp.address, side], set));
  });
  filter.ports.forEach((set, side) => {
    if (set !== undefined) parts.push([filterOp.port, side, set.length / 2], set);
  });
  filter.icmp.forEach((icmp, direction) => {
    if (icmp.type !== undefined) parts.push([filterOp.icmpType, direction, icmp.type]);
    if (icmp.code !== undefined) parts.push([filterOp.icmpCode, direction, icmp.code]);
    if (icmp.id !== undefined) parts.push([filterOp.icmpId, direction, icmp.id]);
  });
  filter.tupleZones.forEach((zone, direction) => {
    if (zone !== undefined) parts.push([filterOp.tupleZone, direction, zone]);
  });
  const { mark, status, states } = filter;
  if (mark) parts.push([filterOp.mark, mark.value, mark.mask]);
  if (status) parts.push([filterOp.status, status.all, status.any, status.none]);
  if (states) parts.push([filterOp.state, states.tcp, states.sctp, states.dccp]);
  if (filter.zone !== undefined) parts.push([filterOp.zone, filter.zone]);
  const { label, host, port, any, not } = filter;
  if (label) parts.push([filterOp.label], label.all, label.any, label.none);
  if (filter.helper !== undefined) parts.push(...packHelper(filter.helper));
  if (filter.nat) parts.push([filterOp.nat, natMatch[filter.nat]]);
  if (host) parts.push(...packAddresses([filterOp.host], host));
  if (port) parts.push([filterOp.anyPort, port.length / 2], port);
  if (any) {
    parts.push([filterOp.any, any.length]);
    for (const inner of any) parts.push(...packInner(inner));
  }
  if (not) parts.push([filterOp.excluded], ...packInner(not));
  const words = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    words.set(part, at);
    at += part.length;
  }
  return words;
}
