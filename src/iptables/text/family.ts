// The names of the two families for the kernel and on the command line.
import { AF_INET, AF_INET6 } from '../../constants.js';
import type { Family } from './addresses.js';

export const familyNumber = (family: Family) => (family === 'ipv6' ? AF_INET6 : AF_INET);
/** Begins the operations in errors. */
export const toolOf = (family: Family) => (family === 'ipv6' ? 'ip6tables' : 'iptables');
