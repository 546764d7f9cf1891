// Match icmp6: type and code of ICMPv6 (struct ip6t_icmp). IPv6.
import type { Known, Not } from './define.js';
import { ipv6, match } from './define.js';
import type { IcmpNames, IcmpType } from './icmp-type.js';
import { hasCodeRange, icmpStore, icmpType } from './icmp-type.js';
import { bit } from './stores.js';

export interface Icmp6Match extends Known {
  readonly name: 'icmp6';
  readonly icmpv6Type: Not<IcmpType>;
}

const names: IcmpNames = {
  'destination-unreachable': [1],
  'no-route': [1, 0],
  'communication-prohibited': [1, 1],
  'beyond-scope': [1, 2],
  'address-unreachable': [1, 3],
  'port-unreachable': [1, 4],
  'failed-policy': [1, 5],
  'reject-route': [1, 6],
  'packet-too-big': [2],
  'time-exceeded': [3],
  'ttl-exceeded': [3],
  'ttl-zero-during-transit': [3, 0],
  'ttl-zero-during-reassembly': [3, 1],
  'parameter-problem': [4],
  'bad-header': [4, 0],
  'unknown-header-type': [4, 1],
  'unknown-option': [4, 2],
  'echo-request': [128],
  ping: [128],
  'echo-reply': [129],
  pong: [129],
  'router-solicitation': [133],
  'router-advertisement': [134],
  'neighbour-solicitation': [135],
  'neighbor-solicitation': [135],
  'neighbour-advertisement': [136],
  'neighbor-advertisement': [136],
  redirect: [137],
};

export const icmp6 = match<Icmp6Match>({
  name: 'icmp6',
  revision: 0,
  families: ipv6,
  size: 8,
  protocols: [58],
  moduleNames: ['icmpv6', 'ipv6-icmp'],
  unsaid: ({ icmpv6Type }) => hasCodeRange(icmpv6Type),
  fields: {
    icmpv6Type: {
      options: ['icmpv6-type'],
      type: icmpType(names, 'ICMPv6 type'),
      store: icmpStore,
      invert: bit(3, 1),
      required: true,
    },
  },
});
