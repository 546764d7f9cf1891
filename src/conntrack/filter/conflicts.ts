// Conditions of a filter that exclude each other. A filter that can match no flow is a mistake: it is refused, and the
// message names the two fields that do not go together. A list is refused when none of it could match.
import {
  protocolHasPorts,
  protocolIsIcmp,
  protocolName,
  protocolNumbers,
} from '../../constants.js';
import { type AddressSet, familiesOf } from './address-set.js';
import type { CheckedFilter } from './types.js';

/** A condition on one direction: its name there, and the direction (0 original, 1 reply). */
interface SideField {
  name: string;
  direction: 0 | 1;
}

const addressFields = ['orig.src', 'orig.dst', 'reply.src', 'reply.dst', 'host'];
const familyName = (family: number) => (family === 2 ? 'IPv4' : 'IPv6');

/** Throws for a filter that can match nothing. Sets its family where its addresses decide it. */
export function refuseConflicts(
  filter: CheckedFilter,
  path: string,
  isShort: (name: string) => boolean,
): void {
  const at = ({ name, direction }: SideField) => {
    if (direction === 1) return `${path}.reply.${name}`;
    return isShort(name) ? `${path}.${name}` : `${path}.orig.${name}`;
  };
  agreeOnFamily(filter, path);
  const ports = filter.ports.findIndex((set) => set !== undefined);
  let port = filter.port && `${path}.port`;
  if (ports >= 0) {
    port = at({ name: ports % 2 === 0 ? 'srcPort' : 'dstPort', direction: ports < 2 ? 0 : 1 });
  }
  const icmp = icmpField(filter, at);
  if (port !== undefined && icmp !== undefined) {
    throw new RangeError(`${port}: a flow with ports has no ${icmp}: nothing could match`);
  }
  const state = filter.states && `${path}.state`;
  if (icmp !== undefined && state !== undefined) {
    throw new RangeError(`${icmp}: a flow with ICMP fields has no ${state}: nothing could match`);
  }
  const { protocols, family } = filter;
  if (protocols === undefined) return;
  const named = `${path}.protocol`;
  const names = protocols.slice(0, 8).map(protocolName).join(', ');
  const never = (field: string, what: string, possible: (protocol: number) => boolean) => {
    if (protocols.some(possible)) return;
    throw new RangeError(`${field}: ${named} (${names}) ${what}: nothing could match`);
  };
  if (port !== undefined) never(port, 'has no ports', protocolHasPorts);
  if (icmp !== undefined) never(icmp, 'has no ICMP fields', protocolIsIcmp);
  if (state !== undefined) {
    const { tcp, sctp, dccp } = filter.states!;
    const masks = new Map<number, number>([
      [protocolNumbers.tcp, tcp],
      [protocolNumbers.sctp, sctp],
      [protocolNumbers.dccp, dccp],
    ]);
    never(state, 'has no such state', (protocol) => (masks.get(protocol) ?? 0) !== 0);
  }
  if (family !== undefined) {
    const other = family === 2 ? protocolNumbers.icmpv6 : protocolNumbers.icmp;
    const of = familyPath(filter, path);
    never(of, `is not of ${familyName(family)}`, (protocol) => protocol !== other);
    // The family leaves one of several ICMP protocols.
    if (icmp !== undefined) {
      never(icmp, `has no ICMP fields in ${of} (${familyName(family)})`, (protocol) => {
        return protocolIsIcmp(protocol) && protocol !== other;
      });
    }
  }
}

/** In the order of `addressFields`. */
function addressSets({ addresses, host }: CheckedFilter): (AddressSet | undefined)[] {
  return [...addresses, host];
}

/** The field that decided the family. */
function familyPath(filter: CheckedFilter, path: string): string {
  const side = addressSets(filter).findIndex((set) => set && familiesOf(set).length === 1);
  return `${path}.${side < 0 ? 'family' : addressFields[side]!}`;
}

function icmpField(filter: CheckedFilter, at: (field: SideField) => string): string | undefined {
  for (const direction of [0, 1] as const) {
    const { type, code, id } = filter.icmp[direction]!;
    if (type !== undefined) return at({ name: 'icmpType', direction });
    if (code !== undefined) return at({ name: 'icmpCode', direction });
    if (id !== undefined) return at({ name: 'icmpId', direction });
  }
  return undefined;
}

/** Addresses decide the family. Addresses of two families match nothing. */
function agreeOnFamily(filter: CheckedFilter, path: string): void {
  let by = `${path}.family`;
  let left: readonly (2 | 10)[] = filter.family === undefined ? [2, 10] : [filter.family];
  addressSets(filter).forEach((set, side) => {
    if (set === undefined) return;
    const here = familiesOf(set);
    const common = left.filter((family) => here.includes(family));
    const field = `${path}.${addressFields[side]!}`;
    if (common.length === 0) {
      const [is, other] = [here, left].map((families) => familyName(families[0]!));
      throw new RangeError(`${field}: is ${is} while ${by} is ${other}: nothing could match`);
    }
    if (common.length < left.length) by = field;
    left = common;
  });
  if (left.length === 1) filter.family = left[0]!;
}
