// The names of the two families for the kernel and on the command line.
import { AF_INET, AF_INET6 } from '../../constants.js';
import type { Family } from './addresses.js';

export const familyNumber = (family: Family) => (family === 'ipv6' ? AF_INET6 : AF_INET);
/** Begins the operations in errors. */
export const toolOf = (family: Family) => (family === 'ipv6' ? 'ip6tables' : 'iptables');

/** An operation on some tables: `iptables commit nat, filter`, `iptables commit nat, ip6tables commit filter`. */
export function operationOn(
  verb: string,
  tables: readonly { readonly family: Family; readonly name: string }[],
): string {
  const parts = tables.map(({ family, name }, index) => {
    return tables[index - 1]?.family === family ? name : `${toolOf(family)} ${verb} ${name}`;
  });
  return parts.join(', ');
}
