// Targets that mark, log, reject and steer connection tracking: MARK, CONNMARK, LOG, REJECT, CT.
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';

const test = suite('iptables codec: targets');
const both = ['ipv4', 'ipv6'] as const;

const setters = [
  'set-mark 3',
  'set-mark 3/5',
  'set-xmark 3/5',
  'set-xmark 3',
  'and-mark 3',
  'or-mark 3',
];
const allSetters = [
  ...setters,
  'xor-mark 3',
  'set-mark 0',
  'and-mark 0',
  'or-mark 0',
  'set-xmark 0/0',
];

conformance(test, 'MARK', {
  families: both,
  table: 'mangle',
  valid: allSetters.map((each) => `-j MARK --${each}`),
  invalid: [
    '-j MARK',
    '-j MARK --set-mark 1 --or-mark 2',
    '-j MARK --set-xmark 1 --set-xmark 2',
    '-j MARK --set-mark 0x1ffffffff',
    '-j MARK --and-mark 1/2',
    '-j MARK ! --set-mark 1',
  ],
  random: (random) =>
    `-j MARK --${random.pick(['set-mark', 'set-xmark'])} ${random.u32()}${random.chance(50) ? `/${random.u32()}` : ''}`,
});

conformance(test, 'CONNMARK', {
  families: both,
  table: 'mangle',
  valid: [
    ...allSetters.map((each) => `-j CONNMARK --${each}`),
    '-j CONNMARK --save-mark',
    '-j CONNMARK --save-mark --mask 0xff',
    '-j CONNMARK --mask 3 --save-mark',
    '-j CONNMARK --save-mark --ctmask 0xff --nfmask 0xf',
    '-j CONNMARK --save-mark --ctmask 0xff',
    '-j CONNMARK --save-mark --nfmask 0xff',
    '-j CONNMARK --restore-mark',
    '-j CONNMARK --restore-mark --mask 0xff',
    '-j CONNMARK --restore-mark --ctmask 0xff --nfmask 0xf',
    { spec: '-j CONNMARK --set-mark 1 --mask 3', lossy: true },
    { spec: '-j CONNMARK --mask 3 --set-mark 1', lossy: true },
    { spec: '-j CONNMARK --set-mark 1 --nfmask 3', lossy: true },
    '-j CONNMARK --set-mark 1 --ctmask 3',
    '-j CONNMARK --ctmask 3 --or-mark 1',
    '-j CONNMARK --set-mark 1 --left-shift-mark 3',
    '-j CONNMARK --set-xmark 1 --right-shift-mark 3',
    '-j CONNMARK --save-mark --left-shift-mark 31',
    '-j CONNMARK --save-mark --left-shift-mark 0',
    { spec: '-j CONNMARK --save-mark --right-shift-mark 0', lossy: true },
    '-j CONNMARK --restore-mark --right-shift-mark 3 --nfmask 1',
    '-j CONNMARK --and-mark 3 --left-shift-mark 2',
  ],
  invalid: [
    '-j CONNMARK',
    '-j CONNMARK --mask 3',
    '-j CONNMARK --left-shift-mark 3',
    '-j CONNMARK --restore-mark --mask 0xff --ctmask 0xf',
    '-j CONNMARK --save-mark --left-shift-mark 32',
    '-j CONNMARK --save-mark --restore-mark',
    '-j CONNMARK --save-mark --set-mark 1',
    '-j CONNMARK --set-mark 1 --set-xmark 1',
    '-j CONNMARK --set-mark x',
  ],
  onlyIptables: ['-j CONNMARK --save-mark --left-shift-mark 3 --right-shift-mark 3'],
  random: (random) =>
    [
      `-j CONNMARK --${random.pick(['save-mark', 'restore-mark'])}`,
      random.maybe(50, () => `--ctmask ${random.u32()}`),
      random.maybe(50, () => `--nfmask ${random.u32()}`),
      random.maybe(
        30,
        () => `--${random.pick(['left', 'right'])}-shift-mark ${1 + random.int(31)}`,
      ),
    ].join(''),
});

const levels = ['emerg', 'panic', 'alert', 'crit', 'error', 'warning', 'notice', 'info', 'debug'];

conformance(test, 'LOG', {
  families: both,
  valid: [
    '-j LOG',
    ...levels.map((level) => `-j LOG --log-level ${level}`),
    ...[0, 1, 2, 3, 4, 5, 6, 7].map((level) => `-j LOG --log-level ${level}`),
    '-j LOG --log-prefix abc',
    '-j LOG --log-prefix "abc: "',
    '-j LOG --log-prefix 12345678901234567890123456789',
    '-j LOG --log-prefix 123456789012345678901234567890',
    '-j LOG --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid --log-macdecode',
    '-j LOG --log-uid --log-level 7 --log-prefix x',
  ],
  invalid: [
    ...['warn', 'DEBUG', 'err', '8', 'foo', '', '-1'].map(
      (level) => `-j LOG --log-level "${level}"`,
    ),
    '-j LOG --log-prefix ""',
    '-j LOG --log-prefix a --log-prefix b',
    '-j LOG --log-uid --log-uid',
  ],
  random: (random) =>
    [
      '-j LOG',
      random.maybe(50, () => `--log-prefix "${random.pick(['a', 'a b', "it's", 'DROP: ', '$`'])}"`),
      random.maybe(50, () => `--log-level ${random.int(8)}`),
      random.maybe(30, () => '--log-tcp-sequence'),
      random.maybe(30, () => '--log-tcp-options'),
      random.maybe(30, () => '--log-ip-options'),
      random.maybe(30, () => '--log-uid'),
      random.maybe(30, () => '--log-macdecode'),
    ].join(''),
});

conformance(test, 'REJECT', {
  families: ['ipv4'],
  valid: [
    '-j REJECT',
    '-p tcp -j REJECT --reject-with tcp-reset',
    '-p tcp -j REJECT --reject-with tcp-rst',
    ...['net-unreachable', 'host-unreachable', 'proto-unreachable', 'port-unreachable'].map(
      (type) => `-j REJECT --reject-with icmp-${type}`,
    ),
    ...['net-prohibited', 'host-prohibited', 'admin-prohibited', '', 'net', 'host-p'].map(
      (type) => `-j REJECT --reject-with icmp-${type}`,
    ),
    ...['net-unreach', 'host-unreach', 'proto-unreach', 'port-unreach', 'net-prohib'].map(
      (type) => `-j REJECT --reject-with ${type}`,
    ),
    ...['host-prohib', 'admin-prohib', 'admin', '""', 'ICMP-NET-UNREACHABLE', 'p', 'n'].map(
      (type) => `-j REJECT --reject-with ${type}`,
    ),
  ],
  invalid: [
    '-j REJECT --reject-with tcp-reset',
    '! -p tcp -j REJECT --reject-with tcp-reset',
    '-p udp -j REJECT --reject-with tcp-reset',
    '-j REJECT --reject-with echo-reply',
    '-j REJECT --reject-with foo',
    '-j REJECT --reject-with icmp6-no-route',
    '-j REJECT --reject-with',
  ],
});

conformance(test, 'REJECT', {
  families: ['ipv6'],
  valid: [
    '-j REJECT',
    '-p tcp -j REJECT --reject-with tcp-reset',
    ...[
      'no-route',
      'adm-prohibited',
      'addr-unreachable',
      'port-unreachable',
      'policy-fail',
      'reject-route',
    ].map((type) => `-j REJECT --reject-with icmp6-${type}`),
    ...[
      'no-route',
      'adm-prohibited',
      'addr-unreach',
      'port-unreach',
      'policy-fail',
      'reject-route',
      'no',
    ].map((type) => `-j REJECT --reject-with ${type}`),
  ],
  invalid: [
    '-j REJECT --reject-with tcp-reset',
    '-j REJECT --reject-with icmp6-not-neighbour',
    '-j REJECT --reject-with icmp6-beyond-scope',
    '-j REJECT --reject-with icmp-net-unreachable',
  ],
});

conformance(test, 'REJECT in mangle', {
  families: both,
  table: 'mangle',
  valid: [],
  invalid: ['-j REJECT'],
});

const events = 'new,related,destroy,reply,assured,protoinfo,helper,mark,natseqinfo,secmark'.split(
  ',',
);

conformance(test, 'CT', {
  families: both,
  table: 'raw',
  hook: 'PREROUTING',
  valid: [
    '-j CT',
    '-j CT --notrack',
    '-j NOTRACK',
    ...['5', '65535', 'mark', '0', '0x10'].map((zone) => `-j CT --zone ${zone}`),
    ...['5', 'mark', '65535'].map((zone) => `-j CT --zone-orig ${zone}`),
    '-j CT --notrack --zone-orig mark',
    { spec: '-j CT --zone-orig 5 --zone-reply 5', lossy: true },
    { spec: '-j CT --zone-orig 0', lossy: true },
    ...['5', 'mark'].map((zone) => `-j CT --zone-reply ${zone}`),
    '-p tcp -j CT --helper ftp',
    '-j CT --ctevents new,destroy',
    `-j CT --ctevents ${events.join(',')}`,
    '-j CT --expevents new',
    '-j CT --ctevents new --zone 3 --expevents new',
    '-j CT --notrack --zone 3',
  ],
  invalid: [
    '-j CT --zone 65536',
    '-j CT --zone foo',
    '-j CT --zone 1 --zone 2',
    '-j CT --helper ftp',
    '-p tcp -j CT --helper 123456789012345678',
    '-j CT --ctevents NEW',
    '-j CT --ctevents foo',
    '-j CT --ctevents ""',
    '-j CT --expevents destroy',
    '-j NOTRACK --zone 3',
  ],
  kernelRefuses: ['-j CT --timeout foo', '-p tcp -j CT --helper nosuch'],
  onlyIptables: ['-j CT --zone-orig 5 --zone-reply 6'],
  random: (random) =>
    [
      '-j CT',
      random.maybe(50, () => `--ctevents ${random.some(events).join(',')}`),
      random.maybe(30, () => '--expevents new'),
      random.maybe(
        60,
        () =>
          `--zone${random.pick(['', '-orig', '-reply'])} ${random.pick(['mark', 1 + random.int(65535)])}`,
      ),
    ].join(''),
});

test.run();
