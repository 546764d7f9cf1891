// How the kernel and the command line call the two families.
import { AF_INET, AF_INET6 } from '../../constants.js';
import type { Family } from './addresses.js';

export const familyNumber = (family: Family) => (family === 'ipv6' ? AF_INET6 : AF_INET);
/** Begins the operations in errors. */
export const toolOf = (family: Family) => (family === 'ipv6' ? 'ip6tables' : 'iptables');
