// Rule sets of a firewall, each for a separate namespace: with and without rules that make the kernel track
// connections, for iptables-legacy, iptables-nft and nft.

export interface RuleSet {
  name: string;
  /** A shell script; `$ipt` is the command of the family and backend. */
  script: string;
  /** Needs a part that not every kernel has. */
  optional?: boolean;
  /** A script that fails where the kernel does not have the tables at all. */
  probe?: string;
}

/** Rules of iptables: `$ipt` stands for the command. */
const iptables = (family: 4 | 6): [name: string, rules: string][] => {
  const [from, to, icmp] =
    family === 4 ? ['10.0.0.0/8', '10.1.0.1', 'icmp'] : ['fd00::/64', 'fd00::1', 'icmpv6'];
  const net = family === 4 ? '10.1.0.0/16' : 'fd01::/64';
  return [
    ['conntrack', '-A OUTPUT -m conntrack --ctstate NEW'],
    ['state', '-A INPUT -m state --state NEW'],
    ['connmark match', '-A INPUT -m connmark --mark 1'],
    [
      'connbytes',
      '-A FORWARD -m connbytes --connbytes 9 --connbytes-dir both --connbytes-mode packets',
    ],
    ['connlimit', '-A INPUT -p tcp -m connlimit --connlimit-above 9'],
    ['connlabel', '-A INPUT -m connlabel --label 3'],
    ['helper match', '-A INPUT -m helper --helper ftp'],
    [
      'cluster',
      '-A INPUT -m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 7',
    ],
    ['CONNMARK', '-t mangle -A PREROUTING -j CONNMARK --save-mark'],
    ['CT zone', '-t raw -A PREROUTING -j CT --zone 1'],
    ['CT helper', '-t raw -A PREROUTING -p tcp -j CT --helper ftp'],
    ['CT events', '-t raw -A PREROUTING -j CT --ctevents new'],
    ['CT notrack', '-t raw -A PREROUTING -p icmp -j CT --notrack'.replace('icmp', icmp)],
    ['MASQUERADE', '-t nat -A POSTROUTING -o eth7 -j MASQUERADE'],
    ['SNAT', `-t nat -A POSTROUTING -o eth7 -j SNAT --to-source ${to}`],
    ['DNAT', `-t nat -A PREROUTING -i eth7 -j DNAT --to-destination ${to}`],
    ['REDIRECT', '-t nat -A PREROUTING -i eth7 -p tcp -j REDIRECT --to-ports 8080'],
    ['NETMAP', `-t nat -A PREROUTING -i eth7 -j NETMAP --to ${net}`],
    ['SYNPROXY', '-A INPUT -p tcp -j SYNPROXY --mss 1460'],
    ['a listed nat table', '-t nat -L -n'],
    ['ACCEPT in nat', '-t nat -A POSTROUTING -j ACCEPT'],
    ['a counter in nat', '-t nat -A POSTROUTING'],
    ['a chain in nat', '-t nat -N own'],
    ['plain', `-A INPUT -s ${from} -p tcp --dport 22 -j ACCEPT`],
    ['policy', '-A INPUT -m policy --dir in --pol none'],
    ['socket', '-t mangle -A PREROUTING -p tcp -m socket'],
    ['TPROXY', '-t mangle -A PREROUTING -p tcp -j TPROXY --on-port 9999'],
    ['rpfilter', '-t raw -A PREROUTING -i eth7 -m rpfilter'],
    ['hashlimit', '-A INPUT -m hashlimit --hashlimit-upto 9/sec --hashlimit-name h'],
    ['recent', '-A INPUT -m recent --set'],
    ['unused chain', '-N own\n-A own -p tcp -m conntrack --ctstate INVALID -j DROP'],
    ['after a target without', '-A INPUT -p udp -j ACCEPT\n-A INPUT -p tcp -m state --state NEW'],
  ];
};

const inTable = (family: string, body: string) =>
  `nft -f - <<'END'\ntable ${family} t {\n${body}\n}\nEND`;
const chain = (rule: string, hook = '') => `chain c {\n ${hook}\n ${rule}\n}`;
const filterHook = 'type filter hook input priority 0;';
const natHook = (point: string) => `type nat hook ${point} priority 0;`;

/** Bodies of an nft table of family ip, ip6 or inet. */
const nft = (family: 'ip' | 'ip6' | 'inet'): [name: string, body: string][] => {
  const saddr = family === 'ip6' ? 'ip6 saddr' : 'ip saddr';
  const type = family === 'ip6' ? 'ipv6_addr' : 'ipv4_addr';
  const l3 = family === 'ip6' ? 'ip6' : 'ip';
  const to = family === 'ip6' ? 'fd00::1' : '10.1.0.1';
  const nat = family === 'inet' ? 'ip ' : '';
  return [
    ['ct state', chain('ct state established accept')],
    ['ct state in a verdict map', chain('ct state vmap { established : accept, invalid : drop }')],
    ['ct mark set', chain('ct mark set 1', filterHook)],
    ['ct zone set', chain('ct zone set 3', 'type filter hook prerouting priority -300;')],
    ['notrack', chain('tcp dport 1 notrack', 'type filter hook prerouting priority -300;')],
    ['ct helper object', 'ct helper h {\n type "ftp" protocol tcp;\n }'],
    [
      'ct helper object in use',
      `ct helper h {\n type "ftp" protocol tcp;\n }\n${chain('tcp dport 21 ct helper set "h"', filterHook)}`,
    ],
    [
      'ct timeout object',
      `ct timeout o {\n protocol tcp;\n l3proto ${l3};\n policy = { established : 120 }\n }`,
    ],
    [
      'ct expectation object',
      `ct expectation e {\n protocol udp;\n dport 9876;\n timeout 2m;\n size 12;\n l3proto ${l3};\n }`,
    ],
    ['ct count', chain('ct count over 20 drop', filterHook)],
    [
      'ct count in a dynamic set',
      `set s {\n type ${type}\n size 99\n flags dynamic\n }\n${chain(`add @s { ${saddr} ct count over 20 } drop`, filterHook)}`,
    ],
    [
      'ct count in a meter',
      chain(`tcp dport 22 meter m { ${saddr} ct count over 20 } drop`, filterHook),
    ],
    [
      'ct count of a set without rule',
      `set s {\n type ${type}\n size 99\n flags dynamic\n ct count over 20\n }`,
    ],
    ['a set with counters', `set s {\n type ${type}\n size 99\n flags dynamic\n counter\n }`],
    ['empty nat chain', chain('', natHook('postrouting'))],
    ['nat chain with counter', chain('counter', natHook('prerouting'))],
    ['nat chain with accept', chain('accept', natHook('postrouting'))],
    ['masquerade', chain('oifname "eth7" masquerade', natHook('postrouting'))],
    ['snat', chain(`oifname "eth7" snat ${nat}to ${to}`, natHook('postrouting'))],
    ['dnat', chain(`iifname "eth7" dnat ${nat}to ${to}`, natHook('prerouting'))],
    ['redirect', chain('iifname "eth7" tcp dport 80 redirect to :8080', natHook('prerouting'))],
    ['synproxy', chain('tcp dport 80 synproxy mss 1460 wscale 7', filterHook)],
    ['synproxy object', 'synproxy p {\n mss 1460\n wscale 7\n }'],
    [
      'flow offload',
      `flowtable f {\n hook ingress priority 0\n devices = { lo }\n }\n${chain('flow add @f', 'type filter hook forward priority 0;')}`,
    ],
    ['a flowtable without rule', 'flowtable f {\n hook ingress priority 0\n devices = { lo }\n }'],
    ['dormant, ct', `flags dormant\n${chain('ct state new', filterHook)}`],
    ['dormant, nat chain', `flags dormant\n${chain('counter', natHook('postrouting'))}`],
    ['counter object', 'counter n {\n packets 0 bytes 0\n }'],
    ['plain', chain('tcp dport 22 accept', filterHook)],
    ['socket', chain('socket transparent 1 accept', 'type filter hook prerouting priority -150;')],
    ['fib', chain('fib saddr type local accept', filterHook)],
    ['limit', chain('limit rate 5/second accept', filterHook)],
  ];
};

function* byIptables(): Generator<RuleSet> {
  for (const backend of ['legacy', 'nft']) {
    for (const family of [4, 6] as const) {
      const command = `ip${family === 6 ? '6' : ''}tables-${backend}`;
      for (const [name, rules] of iptables(family)) {
        const script = rules.split('\n').map((rule) => `${command} -w ${rule} > /dev/null`);
        const probe = `${command} -w -S > /dev/null`;
        yield { name: `${command}: ${name}`, script: script.join('\n'), probe };
      }
    }
  }
}

function* byNft(): Generator<RuleSet> {
  for (const family of ['ip', 'ip6', 'inet'] as const) {
    for (const [name, body] of nft(family)) {
      const optional = /flowtable/.test(body);
      yield { name: `nft ${family}: ${name}`, script: inTable(family, body), optional };
    }
  }
  for (const [family, hook] of [
    ['bridge', filterHook],
    ['netdev', 'type filter hook ingress device lo priority 0;'],
    ['arp', 'type filter hook input priority 0;'],
  ] as const) {
    yield { name: `nft ${family}: plain`, script: inTable(family, chain('counter', hook)) };
  }
}

/** A bridge tracks if the kernel has nf_conntrack_bridge. Then IPv4 and IPv6 are tracked too. */
const bridge: RuleSet = {
  name: 'nft bridge: ct state',
  script: inTable('bridge', chain('ct state new', filterHook)),
  optional: true,
};

/** All rule sets, and an empty one. */
export const ruleSets: RuleSet[] = [
  { name: 'no rules', script: 'true' },
  ...byIptables(),
  ...byNft(),
  bridge,
];
