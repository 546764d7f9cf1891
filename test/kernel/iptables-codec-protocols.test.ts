// Matches of protocols: tcp, udp, icmp, icmp6, multiport.
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';

const test = suite('iptables codec: protocols');
const both = ['ipv4', 'ipv6'] as const;

conformance(test, 'tcp', {
  families: both,
  valid: [
    '-p tcp -m tcp',
    '-p tcp --sport 22 --dport 1:100 --tcp-option 5 --tcp-flags SYN,ACK SYN',
    '-p tcp ! --sport 22 ! --dport :100 ! --tcp-option 5 ! --tcp-flags ALL NONE',
    '-p tcp --source-port 22 --destination-port 80',
    '-p tcp --sport 0:65535',
    { spec: '-p tcp ! --sport 0:65535', ours: '-p tcp -m tcp ! --sport 0:65535' },
    { spec: '-p tcp ! --dport :', ours: '-p tcp -m tcp ! --dport 0:65535' },
    '-p tcp --sport 100:',
    '-p tcp --sport 0',
    '-p tcp --sport 65535',
    '-p tcp --sport 5:5',
    '-p tcp --sport ssh:http',
    '-p tcp --sport 0x16',
    '-p tcp --sport 017',
    '-p tcp --tcp-option 255',
    '-p tcp --tcp-flags syn syn',
    '-p tcp --tcp-flags NONE NONE',
    '-p tcp ! --tcp-flags NONE NONE',
    '-p tcp --tcp-flags SYN SYN,ACK',
    '-p tcp --tcp-flags SYN, SYN',
    { spec: '-p tcp --tcp-flags "" SYN', ours: '-p tcp -m tcp --tcp-flags NONE SYN' },
    '-p tcp --tcp-flags ALL ALL',
    '-p tcp --syn',
    '-p tcp ! --syn',
  ],
  invalid: [
    '-p tcp --sport 4:3',
    '-p tcp --sport 65536',
    '-p tcp --sport nosuchservice',
    '-p tcp --sport tftp',
    '-p tcp --sport 1:2:3',
    '-p tcp --sport 1-2',
    '-p tcp --sport -1',
    '-p tcp --sport ""',
    '-p tcp --sport 22 --sport 23',
    '-p tcp --sport 22 --source-port 23',
    '-p tcp --dport 22 --dport 22',
    '-p tcp --tcp-option 0',
    '-p tcp --tcp-option 256',
    '-p tcp --tcp-flags SYN',
    '-p tcp --tcp-flags SYN -j ACCEPT',
    '-p tcp --tcp-flags SYN,FOO SYN',
    '-p tcp --syn --tcp-flags ALL SYN',
    '-p tcp --syn --syn',
    '-p udp -m tcp',
    '-m tcp --syn',
  ],
  random: (random) => {
    const flags = () => random.some(['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG']).join(',');
    return [
      '-p tcp -m tcp',
      random.maybe(50, () => `${random.not()}--sport ${random.portRange()}`),
      random.maybe(50, () => `${random.not()}--dport ${random.portRange()}`),
      random.maybe(30, () => `${random.not()}--tcp-option ${1 + random.int(255)}`),
      random.maybe(40, () => `${random.not()}--tcp-flags ${flags()} ${flags()}`),
    ].join('');
  },
});

conformance(test, 'udp', {
  families: both,
  valid: [
    '-p udp -m udp',
    '-p udp --sport 5: --dport domain',
    '-p udp ! --sport 5:6 ! --dport 7',
    '-p udp --sport 7:3 ! --dport 65535:0',
    '-p udp --dport tftp',
    '-p udp --dport http:https',
    { spec: '-p udp ! --sport :', ours: '-p udp -m udp ! --sport 0:65535' },
  ],
  invalid: ['-p udp --sport 0x16', '-p udp --syn', '-p udp --dport 1 --dport 2', '-p tcp -m udp'],
  onlyIptables: ['-p udp --sport 65536'],
  random: (random) =>
    [
      '-p udp -m udp',
      random.maybe(60, () => `${random.not()}--sport ${random.portRange(':', true)}`),
      random.maybe(60, () => `${random.not()}--dport ${random.portRange(':', true)}`),
    ].join(''),
});

const icmpNames = [
  ...['any', 'echo-reply', 'pong', 'destination-unreachable', 'network-unreachable'],
  ...['host-unreachable', 'protocol-unreachable', 'port-unreachable', 'fragmentation-needed'],
  ...['source-route-failed', 'network-unknown', 'host-unknown', 'network-prohibited'],
  ...['host-prohibited', 'TOS-network-unreachable', 'TOS-host-unreachable'],
  ...['communication-prohibited', 'host-precedence-violation', 'precedence-cutoff'],
  ...['source-quench', 'redirect', 'network-redirect', 'host-redirect', 'TOS-network-redirect'],
  ...['TOS-host-redirect', 'echo-request', 'ping', 'router-advertisement', 'router-solicitation'],
  ...['time-exceeded', 'ttl-exceeded', 'ttl-zero-during-transit', 'ttl-zero-during-reassembly'],
  ...['parameter-problem', 'ip-header-bad', 'required-option-missing', 'timestamp-request'],
  ...['timestamp-reply', 'address-mask-request', 'address-mask-reply'],
];

conformance(test, 'icmp', {
  families: ['ipv4'],
  valid: [
    ...icmpNames.map((name) => `-p icmp --icmp-type ${name}`),
    '-p icmp --icmp-type 8/1',
    '-p icmp ! --icmp-type any',
    '-p icmp --icmp-type 255',
    { spec: '-p icmp --icmp-type 255/255', lossy: true },
    { spec: '-p icmp --icmp-type 255/3', lossy: true },
    '-p icmp --icmp-type source-q',
    '-p icmp --icmp-type PING',
    '-p icmp ! --icmp-type 3',
    '-p icmp --icmp-type 0x8/0x1',
    '-p icmp --icmp-type 8/255',
  ],
  invalid: [
    '-p icmp -m icmp',
    '-p icmp --icmp-type 8/',
    '-p icmp --icmp-type 256',
    '-p icmp --icmp-type 8/256',
    '-p icmp --icmp-type echo',
    '-p icmp --icmp-type echo-re',
    '-p icmp --icmp-type nosuch',
    '-p icmp --icmp-type 8 --icmp-type 9',
    '-p icmp --icmp-type ""',
    '-m icmp --icmp-type 8',
    '-p tcp -m icmp --icmp-type 8',
  ],
  random: (random) =>
    `-p icmp ${random.not()}--icmp-type ${random.int(255)}${random.chance(50) ? `/${random.int(256)}` : ''}`,
});

const icmp6Names = [
  ...['destination-unreachable', 'no-route', 'communication-prohibited', 'beyond-scope'],
  ...['address-unreachable', 'port-unreachable', 'failed-policy', 'reject-route'],
  ...['packet-too-big', 'time-exceeded', 'ttl-exceeded', 'ttl-zero-during-transit'],
  ...['ttl-zero-during-reassembly', 'parameter-problem', 'bad-header', 'unknown-header-type'],
  ...['unknown-option', 'echo-request', 'ping', 'echo-reply', 'pong', 'router-solicitation'],
  ...['router-advertisement', 'neighbour-solicitation', 'neighbor-solicitation'],
  ...['neighbour-advertisement', 'neighbor-advertisement', 'redirect'],
];

conformance(test, 'icmp6', {
  families: ['ipv6'],
  valid: [
    ...icmp6Names.map((name) => `-p ipv6-icmp --icmpv6-type ${name}`),
    '-p icmpv6 -m icmpv6 --icmpv6-type echo-request',
    '-p icmpv6 -m ipv6-icmp ! --icmpv6-type 1/4',
    '-p icmpv6 -m icmp6 --icmpv6-type 255',
    '-p icmpv6 -m icmp6 --icmpv6-type 128/255',
  ],
  invalid: [
    '-p icmpv6 -m icmp6',
    '-p icmpv6 --icmpv6-type any',
    '-p icmpv6 --icmpv6-type echo',
    '-p icmpv6 --icmpv6-type 1/',
    '-p icmpv6 --icmpv6-type 256',
    '-m icmp6 --icmpv6-type 1',
  ],
  random: (random) =>
    `-p ipv6-icmp ${random.not()}--icmpv6-type ${random.int(256)}${random.chance(50) ? `/${random.int(256)}` : ''}`,
});

conformance(test, 'multiport', {
  families: both,
  valid: [
    '-p tcp -m multiport --dports 80,443',
    '-p tcp -m multiport --dports 80:90,443',
    '-p tcp -m multiport ! --sports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15',
    '-p tcp -m multiport --ports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15',
    '-p tcp -m multiport ! --ports 1:2',
    '-p tcp -m multiport --dports ssh,http',
    '-p tcp -m multiport --dports ssh:http',
    '-p 6 -m multiport --dports ssh',
    '-p udplite -m multiport --dports 1',
    '-p sctp -m multiport --dports 1',
    '-p dccp -m multiport --dports 1',
    '-p udp -m multiport --source-port 5',
    '-p udp -m multiport --destination-port 5,6',
    '-p udp -m multiport --source-ports 5',
    '-p udp -m multiport --destination-ports 5:7',
    '-p tcp -m multiport --port 1',
    '-p tcp -m multiport --dports 0x50',
  ],
  invalid: [
    '-p tcp -m multiport',
    '-p tcp -m multiport --sports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16',
    '-p tcp -m multiport --ports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16',
    '-p tcp -m multiport --dports 5:3',
    '-p tcp -m multiport --dports 5:5',
    '-p tcp -m multiport --dports 1 --sports 2',
    '-p tcp -m multiport --dports 1 --dports 2',
    '-p tcp -m multiport --dports 1,',
    '-p tcp -m multiport --dports :5',
    '-p tcp -m multiport --dports 5:',
    '-p tcp -m multiport --dports ,5',
    '-p tcp -m multiport --dports 65536',
    '-p tcp -m multiport --dports nosuch',
    '-m multiport --dports 1',
    '-m multiport --dports 1 -p tcp',
    '! -p tcp -m multiport --dports 1',
    '-p icmp -m multiport --dports 1',
  ],
  random: (random) => {
    const list = Array.from({ length: 1 + random.int(9) }, () => random.portRange()).join(',');
    const option = random.pick(['sports', 'dports', 'ports']);
    return `-p ${random.pick(['tcp', 'udp', 'sctp'])} -m multiport ${random.not()}--${option} ${list}`;
  },
});

test.run();
