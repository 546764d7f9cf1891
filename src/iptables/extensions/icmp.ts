// Match icmp: type and code of ICMP (struct ipt_icmp). IPv4.
import type { Known, Not } from './define.js';
import { ipv4, isNot, match } from './define.js';
import type { IcmpNames, IcmpType } from './icmp-type.js';
import { hasCodeRange, icmpStore, icmpType } from './icmp-type.js';
import { bit } from './stores.js';

export interface IcmpMatch extends Known {
  readonly name: 'icmp';
  /** 255: any type. */
  readonly icmpType: Not<IcmpType>;
}

const names: IcmpNames = {
  any: [255],
  'echo-reply': [0],
  pong: [0],
  'destination-unreachable': [3],
  'network-unreachable': [3, 0],
  'host-unreachable': [3, 1],
  'protocol-unreachable': [3, 2],
  'port-unreachable': [3, 3],
  'fragmentation-needed': [3, 4],
  'source-route-failed': [3, 5],
  'network-unknown': [3, 6],
  'host-unknown': [3, 7],
  'network-prohibited': [3, 9],
  'host-prohibited': [3, 10],
  'TOS-network-unreachable': [3, 11],
  'TOS-host-unreachable': [3, 12],
  'communication-prohibited': [3, 13],
  'host-precedence-violation': [3, 14],
  'precedence-cutoff': [3, 15],
  'source-quench': [4],
  redirect: [5],
  'network-redirect': [5, 0],
  'host-redirect': [5, 1],
  'TOS-network-redirect': [5, 2],
  'TOS-host-redirect': [5, 3],
  'echo-request': [8],
  ping: [8],
  'router-advertisement': [9],
  'router-solicitation': [10],
  'time-exceeded': [11],
  'ttl-exceeded': [11],
  'ttl-zero-during-transit': [11, 0],
  'ttl-zero-during-reassembly': [11, 1],
  'parameter-problem': [12],
  'ip-header-bad': [12, 0],
  'required-option-missing': [12, 1],
  'timestamp-request': [13],
  'timestamp-reply': [14],
  'address-mask-request': [17],
  'address-mask-reply': [18],
};
const type = icmpType(names, 'ICMP type');
const anyType = 255;

export const icmp = match<IcmpMatch>({
  name: 'icmp',
  revision: 0,
  families: ipv4,
  size: 8,
  protocols: [1],
  unsaid: ({ icmpType }) => hasCodeRange(icmpType),
  fields: {
    icmpType: {
      options: ['icmp-type'],
      type: {
        ...type,
        print(value, cx) {
          const isAny = (typeof value === 'number' ? value : value.type) === anyType;
          return isAny ? 'any' : type.print(value, cx);
        },
      },
      store: icmpStore,
      invert: bit(3, 1),
      required: true,
    },
  },
  // icmp_type_code_match() ignores the code if the type is 255.
  meaning({ icmpType, ...rest }) {
    const value = isNot(icmpType) ? icmpType.not : icmpType;
    if (typeof value === 'number' || value.type !== anyType) return { ...rest, icmpType };
    return { ...rest, icmpType: isNot(icmpType) ? { not: anyType } : anyType };
  },
});
