// The translation of a flow to create: what the caller asks for, or what its two tuples show.
import { noAddress } from '../../address.js';
import { objectAt, onlyFields, u16At } from '../../checks.js';
import { protocolHasPorts, protocolNumbers } from '../../constants.js';
import { badType, unsupported } from '../../errors.js';
import { field } from '../columns/schema.js';
import type { FieldPacker, Slot } from './field-packer.js';
import type { Identity, Tuple } from './identity.js';

/** The address is in a slot of the packer. */
interface Target {
  address?: Slot;
  port?: number;
}

const child = (path: string, name: string) => `${path}.${name}`;

function readTarget(
  packer: FieldPacker,
  slot: Slot,
  value: unknown,
  identity: Identity,
  path: string,
): Target {
  const endpoint = typeof value === 'string' ? { address: value } : objectAt(value, path);
  onlyFields(endpoint, new Set(['address', 'port']), path);
  if (endpoint.address === undefined && endpoint.port === undefined) {
    throw new TypeError(`${path}: gives neither address nor port`);
  }
  const target: Target = {};
  if (endpoint.address !== undefined) {
    const at = child(path, 'address');
    if (typeof endpoint.address !== 'string') {
      throw badType(at, 'an IP address as text', endpoint.address);
    }
    const family = packer.read(slot, endpoint.address);
    if (family === 0) throw noAddress(at, endpoint.address);
    if (family !== identity.family) throw new RangeError(`${at}: is not of the flow's family`);
    target.address = slot;
  }
  if (endpoint.port !== undefined) {
    if (!protocolHasPorts(identity.protocol))
      throw new TypeError(`${path}.port: this protocol has no ports`);
    target.port = u16At(endpoint.port, child(path, 'port'));
  }
  return target;
}

/**
 * What the reply tuple shows of one translation. The kernel may have chosen the port, or the ICMP id (which it
 * treats as the source port of a translation). The flow that is made again gets the same.
 */
function shown(
  packer: FieldPacker,
  identity: Identity,
  end: 'src' | 'dst',
): Target & { differs: boolean } {
  const { orig, reply } = identity;
  const [address, mirrored] = end === 'src' ? [orig.src, reply.dst] : [orig.dst, reply.src];
  const [port, mirroredPort] =
    end === 'src' ? [orig.srcPort, reply.dstPort] : [orig.dstPort, reply.srcPort];
  const icmp = end === 'src' && orig.icmp !== undefined && reply.icmp !== undefined;
  const number = icmp ? reply.icmp!.id : mirroredPort;
  return {
    address: mirrored,
    ...(number !== undefined && { port: number }),
    differs:
      !packer.same(address, mirrored) ||
      (icmp ? orig.icmp!.id !== reply.icmp!.id : port !== mirroredPort),
  };
}

function agrees(packer: FieldPacker, asked: Target, seen: Target): boolean {
  if (asked.address !== undefined && !packer.same(asked.address, seen.address!)) return false;
  return asked.port === undefined || asked.port === seen.port;
}

/**
 * The kernel translates a key of GRE only for a flow that has a master (nf_nat_l4proto_unique_tuple, PPTP). A flow
 * that is made over netlink gets its master after the translation: the kernel would leave the key as it is.
 */
function refuseKey(target: Target | undefined, orig: Tuple, end: 'src' | 'dst', natPath: string) {
  const key = end === 'src' ? orig.srcPort : orig.dstPort;
  if (target?.port === undefined || target.port === key) return;
  throw unsupported(
    'conntrack create',
    `${natPath}.${end}.port: the kernel does not translate the keys of a GRE flow that is made over netlink`,
  );
}

/**
 * Checks `nat`, and packs it if `translate` says so: `'request'` for the kernel, `'row'` for a row that it is not asked
 * for. Where both tuples are given, it must be what they show.
 */
export function packNat(
  packer: FieldPacker,
  nat: unknown,
  identity: Identity,
  path: string,
  natPath: string,
  translate: 'request' | 'row' | false,
): void {
  const fields = objectAt(nat, natPath);
  onlyFields(fields, new Set(['src', 'dst']), natPath);
  if (!identity.origGiven) throw new TypeError(`${natPath}: needs ${path}.orig`);
  for (const [end, slot, address, port] of [
    ['src', 4, field.natSrc, field.natSrcPort],
    ['dst', 5, field.natDst, field.natDstPort],
  ] as const) {
    const value = fields[end];
    const asked =
      value === undefined
        ? undefined
        : readTarget(packer, slot, value, identity, child(natPath, end));
    let target = asked;
    if (identity.replyGiven) {
      const { differs, ...seen } = shown(packer, identity, end);
      const wrong = asked === undefined ? differs : !agrees(packer, asked, seen);
      if (wrong) {
        throw new RangeError(
          `${path}.reply.${end === 'src' ? 'dst' : 'src'}: is not what ${natPath}.${end} makes of it`,
        );
      }
      if (differs) target = seen;
    }
    if (!translate) continue;
    if (translate === 'request' && identity.protocol === protocolNumbers.gre)
      refuseKey(target, identity.orig, end, natPath);
    if (target?.address !== undefined) packer.address(address, target.address, identity.family);
    if (target?.port !== undefined) packer.u16(port, target.port);
  }
}
