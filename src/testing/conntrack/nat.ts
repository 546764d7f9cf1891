// The translation of a new flow: its reply tuple, and its status bits.
import { protocolIsIcmp, protocolNumbers, statusBits } from '../../constants.js';
import type { FlowTable } from './flow-table.js';
import { hasPorts, inverted, sameBytes, type Tuple, type Zone } from './tuple.js';

/** What an end becomes; a part that is absent stays. */
interface Target {
  readonly address: Uint8Array | undefined;
  readonly port: number | undefined;
}

/** What the two ends of a flow become. */
export interface Nat {
  readonly src: Target;
  readonly dst: Target;
}

/** The ports that the kernel chooses from, for a port of the same class (nf_nat_core.c, nf_nat_l4proto_unique_tuple). */
function portClass(port: number): readonly [from: number, to: number] {
  if (port < 512) return [1, 511];
  return port < 1024 ? [600, 1023] : [1024, 65535];
}

/**
 * The reply tuple, where the ends become these. Without a port the kernel keeps the one that there is, or takes another
 * of its class where a flow has the tuple already. Here that is the next free one.
 */
function replyOf(
  table: FlowTable,
  protocol: number,
  zone: Zone,
  translated: Tuple,
  chosen: boolean,
): Tuple {
  const plain = inverted(protocol, translated);
  const mayMove = !chosen && (hasPorts(protocol) || protocolIsIcmp(protocol));
  if (!mayMove || protocol === protocolNumbers.gre || !table.find(protocol, plain, zone)) {
    return plain;
  }
  const [from, to] = protocolIsIcmp(protocol) ? [0, 65535] : portClass(translated.first);
  const size = to - from + 1;
  for (let step = 1; step < size; step++) {
    const first = from + ((translated.first - from + step + size) % size);
    const tuple = inverted(protocol, { ...translated, first });
    if (!table.find(protocol, tuple, zone)) return tuple;
  }
  return plain;
}

/** The reply tuple of a translated flow, and the bits of its status that say so. */
export function translate(
  table: FlowTable,
  protocol: number,
  zone: Zone,
  orig: Tuple,
  { src, dst }: Nat,
): { reply: Tuple; status: number } {
  const icmp = protocolIsIcmp(protocol);
  const translated: Tuple = {
    src: src.address ?? orig.src,
    dst: dst.address ?? orig.dst,
    first: src.port ?? orig.first,
    second: (icmp ? undefined : dst.port) ?? orig.second,
  };
  const reply = replyOf(table, protocol, zone, translated, src.port !== undefined);
  const back = inverted(protocol, reply);
  let status = statusBits.src_nat_done | statusBits.dst_nat_done;
  if (!sameBytes(back.src, orig.src) || back.first !== orig.first) status |= statusBits.src_nat;
  if (!sameBytes(back.dst, orig.dst) || (!icmp && back.second !== orig.second)) {
    status |= statusBits.dst_nat;
  }
  return { reply, status };
}
