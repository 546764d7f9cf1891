// The iptables rules that a bench works on.
import { run } from '../../test/support/process.js';

/** The text of a table with typical rules of gateways. */
export function tableText(rules: number): string {
  const kinds = [
    (a: string) => `-A FORWARD -s ${a} -p tcp -m tcp --dport 443 -j ACCEPT`,
    (a: string) => `-A FORWARD -d ${a} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    (a: string) => `-A FORWARD -s ${a} -p udp -m multiport --dports 53,123,853 -j ACCEPT`,
    (a: string) => `-A FORWARD -s ${a} -i eth0 -m comment --comment "customer ${a}" -j customers`,
    (a: string) => `-A customers -d ${a} -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j RETURN`,
    (a: string) =>
      `-A customers -s ${a} -m limit --limit 60/min --limit-burst 30 -j LOG --log-prefix "new: "`,
    (a: string) => `-A FORWARD -s ${a} -m mark --mark 0x10/0xff -j DROP`,
    (a: string) => `-A FORWARD -d ${a} -p icmp -m icmp --icmp-type 8 -j ACCEPT`,
  ];
  const lines = ['*filter', ':INPUT ACCEPT [0:0]', ':FORWARD ACCEPT [0:0]', ':OUTPUT ACCEPT [0:0]'];
  lines.push(':customers - [0:0]');
  for (let i = 0; i < rules; i++) {
    const address = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`;
    lines.push(kinds[i % kinds.length]!(address));
  }
  return `${[...lines, 'COMMIT'].join('\n')}\n`;
}

/** Replaces the rules of the filter table with that many. */
export function loadRules(rules: number, backend: 'legacy' | 'nft'): void {
  run([`iptables-${backend}-restore`, '-w'], { input: tableText(rules) });
}
