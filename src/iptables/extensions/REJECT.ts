// Target REJECT: drops the packet and sends an answer (struct ipt_reject_info, ip6t_reject_info). Table filter.
import { refused } from '../text/refused.js';
import type { Known, Place } from './define.js';
import { hasProtocol, ipv4, ipv6, target } from './define.js';
import { coded, u32 } from './stores.js';
import { oneOf } from './text-values.js';

export interface RejectTarget extends Known {
  readonly name: 'REJECT';
  /**
   * The answer: `icmp-…` in IPv4, `icmp6-…` in IPv6, `tcp-reset` in rules with `-p tcp`. Port
   * unreachable unless given.
   */
  readonly with?: keyof typeof codes4 | keyof typeof codes6;
}

const codes4 = {
  'icmp-net-unreachable': 0,
  'icmp-host-unreachable': 1,
  'icmp-proto-unreachable': 2,
  'icmp-port-unreachable': 3,
  'icmp-net-prohibited': 5,
  'icmp-host-prohibited': 6,
  'tcp-reset': 7,
  'icmp-admin-prohibited': 8,
} as const;
const aliases4 = {
  'net-unreach': 'icmp-net-unreachable',
  'host-unreach': 'icmp-host-unreachable',
  'proto-unreach': 'icmp-proto-unreachable',
  'port-unreach': 'icmp-port-unreachable',
  'net-prohib': 'icmp-net-prohibited',
  'host-prohib': 'icmp-host-prohibited',
  'tcp-rst': 'tcp-reset',
  'admin-prohib': 'icmp-admin-prohibited',
} as const;
const codes6 = {
  'icmp6-no-route': 0,
  'icmp6-adm-prohibited': 1,
  'icmp6-addr-unreachable': 3,
  'icmp6-port-unreachable': 4,
  'tcp-reset': 6,
  'icmp6-policy-fail': 7,
  'icmp6-reject-route': 8,
} as const;
const aliases6 = {
  'no-route': 'icmp6-no-route',
  'adm-prohibited': 'icmp6-adm-prohibited',
  'addr-unreach': 'icmp6-addr-unreachable',
  'port-unreach': 'icmp6-port-unreachable',
  'policy-fail': 'icmp6-policy-fail',
  'reject-route': 'icmp6-reject-route',
} as const;

type With = NonNullable<RejectTarget['with']>;

function REJECT(family: 'ipv4' | 'ipv6') {
  const codes: Partial<Record<With, number>> = family === 'ipv4' ? codes4 : codes6;
  const also: Record<string, With> = family === 'ipv4' ? aliases4 : aliases6;
  const type = oneOf(Object.keys(codes) as With[], { anyCase: true, also, prefix: true });
  return target<RejectTarget>({
    name: 'REJECT',
    revision: 0,
    families: family === 'ipv4' ? ipv4 : ipv6,
    size: 8,
    tables: ['filter'],
    fields: {
      with: {
        options: ['reject-with'],
        type,
        store: coded(u32(0), codes as Record<With, number>),
        default: family === 'ipv4' ? 'icmp-port-unreachable' : 'icmp6-port-unreachable',
        shown: true,
        print: (value) => `--reject-with ${value}`,
      },
    },
    check(value, at: Place) {
      // reject_tg_check() in ipt_REJECT.c and ip6t_REJECT.c.
      if (value.with === 'tcp-reset' && !hasProtocol(at, [6])) {
        throw refused(at.path, 'tcp-reset needs a rule with -p tcp');
      }
    },
  });
}

export const REJECT4 = REJECT('ipv4');
export const REJECT6 = REJECT('ipv6');
