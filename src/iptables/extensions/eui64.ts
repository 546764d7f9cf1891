// Match eui64: the interface part of the IPv6 source address comes from the Ethernet source address (the payload is
// an int without a use). Chains: PREROUTING, INPUT, FORWARD.
import type { Known } from './define.js';
import { ipv6, match } from './define.js';

export interface Eui64Match extends Known {
  readonly name: 'eui64';
}

export const eui64 = match<Eui64Match>({
  name: 'eui64',
  revision: 0,
  families: ipv6,
  size: 8,
  fields: {},
});
