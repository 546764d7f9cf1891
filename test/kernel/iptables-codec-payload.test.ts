// Matches that look into packets: sctp, dccp, u32, bpf, osf.
import { fakeKernel } from '../support/fake-kernel.js';
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';
import type { Random } from '../support/random-rules.js';

const test = suite('iptables codec: payload');
const both = ['ipv4', 'ipv6'] as const;
const ports = ['0', '5', '65535', '5:9', ':9', '9:', '0:65535', '5:5'];
const badPorts = ['65536', '-1', 'x', '1:2:3', '1-2', '1,2', 'nosuchservice'];

const chunks =
  'DATA INIT INIT_ACK SACK HEARTBEAT HEARTBEAT_ACK ABORT SHUTDOWN SHUTDOWN_ACK ERROR COOKIE_ECHO COOKIE_ACK ECN_ECNE ECN_CWR SHUTDOWN_COMPLETE I_DATA ASCONF_ACK RE_CONFIG PAD FORWARD_TSN ASCONF I_FORWARD_TSN'.split(
    ' ',
  );
const randomChunk = (random: Random, name: string) => {
  const letters = name === 'DATA' ? 'IiUuBbEe' : /ABORT|COMPLETE/.test(name) ? 'Tt' : '';
  if (letters === '' || random.chance(40)) return name;
  return `${name}:${random.some([...letters]).join('')}`;
};
conformance(test, 'sctp', {
  families: both,
  valid: [
    '-p sctp -m sctp',
    ...ports.flatMap((port) => [`-p sctp --sport ${port}`, `-p sctp ! --dport ${port}`]),
    '-p sctp --source-port 022 --destination-port 0x10:0x20',
    ...chunks.flatMap((chunk) => [
      `-p sctp --chunk-types any ${chunk}`,
      `-p sctp ! --chunk-types all ${chunk.toLowerCase()}`,
    ]),
    ...['all', 'any', 'only', 'ANY', 'Only'].flatMap((mode) =>
      [
        'ALL',
        'NONE',
        'all',
        'none',
        '""',
        ',',
        'DATA,INIT',
        'ASCONF,,DATA,DATA,',
        chunks.join(),
      ].map((list) => `-p sctp --chunk-types ${mode} ${list}`),
    ),
    ...[
      'DATA:',
      'DATA:Be',
      'DATA:IUBE',
      'DATA:iube',
      'DATA:bB',
      'DATA:Bb',
      'DATA:iube,DATA:B',
      'DATA:iu,ABORT:T,SHUTDOWN_COMPLETE:t',
    ].map((list) => `-p sctp --chunk-types only ${list}`),
    // iptables stores chunks with flags in the given order, and prints them in the order of their numbers.
    ...['SHUTDOWN_COMPLETE:t,INIT,ABORT:T,SACK,DATA:B', 'PAD,ABORT:T,INIT,DATA:e,ASCONF'].map(
      (list) => ({ spec: `-p sctp --chunk-types only ${list}`, lossy: true as const }),
    ),
    '-p sctp ! --sport 5 --dport 6 ! --chunk-types any INIT',
  ],
  invalid: [
    ...[...badPorts, '9:5', 'ssh'].flatMap((port) => [
      `-p sctp --sport ${port}`,
      `-p sctp --dport ${port}`,
    ]),
    '-m sctp --sport 5',
    '-p tcp -m sctp --sport 5',
    '! -p sctp -m sctp --sport 5',
    '-p sctp --chunk-types any',
    '-p sctp --chunk-types any --sport 5',
    '-p sctp --chunk-types',
    ...['none', 'foo', '""', 'an'].map((mode) => `-p sctp --chunk-types ${mode} DATA`),
    ...['3', 'AUTH', 'DATA,ALL', 'ALL:B', 'DATA:x', 'DATA:T', 'INIT:t', 'ABORT:B', 'DATA;INIT'].map(
      (list) => `-p sctp --chunk-types any ${list}`,
    ),
    '-p sctp --chunk-types any DATA --chunk-types any INIT',
    '-p sctp --sport 5 --sport 6',
  ],
  // Flags of a different chunk, and a dash, which iptables takes as bit 7.
  onlyIptables: [
    '-p sctp --chunk-types any I_DATA:B',
    '-p sctp --chunk-types any DATA:-',
    '-p sctp --chunk-types any INIT:-',
  ],
  random: (random) =>
    [
      '-p sctp -m sctp',
      random.maybe(40, () => `${random.not()}--sport ${random.portRange()}`),
      random.maybe(40, () => `${random.not()}--dport ${random.portRange()}`),
      random.maybe(80, () => {
        const list = random.some(chunks).map((name) => randomChunk(random, name));
        return `${random.not()}--chunk-types ${random.pick(['any', 'all', 'only'])} ${list.join()}`;
      }),
    ].join(''),
});

const dccpTypes =
  'REQUEST RESPONSE DATA ACK DATAACK CLOSEREQ CLOSE RESET SYNC SYNCACK INVALID'.split(' ');
conformance(test, 'dccp', {
  families: both,
  valid: [
    '-p dccp -m dccp',
    ...ports.flatMap((port) => [`-p dccp --sport ${port}`, `-p dccp ! --dport ${port}`]),
    '-p dccp --source-port 010 --destination-port http',
    ...[
      ...dccpTypes,
      'request',
      'Data,Ack',
      'SYNC,REQUEST,SYNC',
      'DATA,',
      dccpTypes.join(),
    ].flatMap((list) => [`-p dccp --dccp-types ${list}`, `-p dccp ! --dccp-types ${list}`]),
    ...['1', '5', '0x10', '255'].flatMap((option) => [
      `-p dccp --dccp-option ${option}`,
      `-p dccp ! --dccp-option ${option}`,
    ]),
    '-p dccp --dccp-option 7 --dccp-types DATA --dport 5 ! --sport 6',
    '-p dccp --sport 9:5 ! --dport 7:0',
  ],
  invalid: [
    ...['x', '1:2:3', '1,2', 'nosuchservice'].map((port) => `-p dccp --sport ${port}`),
    ...['0', '256', 'x', '""', '-1', '1:2'].map((option) => `-p dccp --dccp-option ${option}`),
    ...['foo', 'REQ', 'DATA,foo', '3'].map((list) => `-p dccp --dccp-types ${list}`),
    '-m dccp --sport 5',
    '-p tcp -m dccp --sport 5',
    '! -p dccp -m dccp --sport 5',
    '-p dccp --sport 5 --sport 5',
    '-p dccp --dccp-types DATA --dccp-types ACK',
  ],
  onlyIptables: ['-p dccp --dccp-types ""'],
  random: (random) =>
    [
      '-p dccp -m dccp',
      random.maybe(40, () => `${random.not()}--sport ${random.portRange()}`),
      random.maybe(40, () => `${random.not()}--dport ${random.portRange()}`),
      random.maybe(60, () => `${random.not()}--dccp-types ${random.some(dccpTypes).join()}`),
      random.maybe(40, () => `${random.not()}--dccp-option ${1 + random.int(255)}`),
    ].join(''),
});

const tenOf = (make: (index: number) => string, count = 10) =>
  Array.from({ length: count }, (_, index) => make(index));
const steps = '@5&6<<7>>8@9&10<<11>>12@13';
const u32Good = [
  '0=0',
  '0 = 0',
  '\t 4  &  0xFF =\t1 , 2 : 3 && 5=6 ',
  '6&0xFF=1',
  '0>>22&0x3C@0>>24=0',
  '4&0x3FFF=0&&0>>22&0x3C@0>>24=0:5,0xff',
  '4=3:3',
  '4=0:4294967295',
  '4294967295=4294967295',
  '4<<31=3',
  '4>>0=010',
  '4=+5',
  `4${steps}=2`,
  `4=${tenOf(String).join()}`,
  `4=${tenOf((n) => `${n}:${n + 5}`).join()}`,
  tenOf((n) => `${n}=0`).join('&&'),
  tenOf((n) => `${n}${steps}=${tenOf(String).join()}`).join('&&'),
];
conformance(test, 'u32', {
  families: both,
  valid: u32Good.flatMap((tests) => [`-m u32 --u32 "${tests}"`, `-m u32 ! --u32 "${tests}"`]),
  invalid: [
    '-m u32',
    ...[
      '',
      'x=5',
      '4=x',
      '4',
      '4=',
      '=4',
      '4==5',
      '4=5:',
      '4=:5',
      '4=5,',
      '4=,5',
      '4=5&&',
      '&&4=5',
      '4=5&&5',
      '4=&&5=1',
      '4=1&5=2',
      '4=1& &5=2',
      '4=1=2',
      '4=3:4:5',
      '4^5=5',
      '4<5=5',
      '4< <5=5',
      '4>5=5',
      '4 5=3',
      '4=3 4',
      '4 & = 3',
      '4&&5=3',
      '4=4294967296',
      '4294967296=4',
      '4=-1',
      '-4=1',
      '08=1',
      '4<<32=3',
      '4>>33=3',
      `4${steps}&14=2`,
      `4=${tenOf(String, 11).join()}`,
      tenOf((n) => `${n}=0`, 11).join('&&'),
      tenOf((n) => `${n}=0`, 12).join('&&'),
    ].map((tests) => `-m u32 --u32 "${tests}"`),
    '-m u32 --u32 "0=0" --u32 "0=0"',
  ],
  random(random) {
    const one = () => {
      const list = Array.from({ length: random.int(10) }, () => {
        const operator = random.pick(['&', '<<', '>>', '@']);
        return `${operator}${operator.length === 2 ? random.int(33) : random.u32()}`;
      });
      const values = Array.from({ length: 1 + random.int(10) }, () => {
        const [a, b] = [random.u32(), random.u32()];
        return random.chance(50) ? a : `${a}:${b}`;
      });
      return `${random.u32()}${list.join('')}=${values.join()}`;
    };
    const tests = Array.from({ length: 1 + random.int(3) }, one);
    return `-m u32 ${random.not()}--u32 "${tests.join('&&')}"`;
  },
  count: 100,
});

const bpfValid = [
  '1,6 0 0 0',
  '1,6 0 0 4294967295',
  '4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0',
  '4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0,',
  ' 1, 6  0  0  1 ',
  `64,${tenOf(() => '48 0 0 9', 63).join()},6 0 0 1`,
].map((program) => `-m bpf --bytecode "${program}"`);
const bpfInvalid = [
  '-m bpf',
  ...[
    '',
    'x',
    '0',
    '0,',
    '1',
    '1,',
    '1,6 0 0',
    '1 6 0 0 1',
    '1,6,0,0,1',
    '2,6 0 0 1',
    '1,6 0 0 1,6 0 0 1',
    '1,x 0 0 1',
    `65,${tenOf(() => '6 0 0 1', 65).join()}`,
  ].map((program) => `-m bpf --bytecode "${program}"`),
  '-m bpf ! --bytecode "1,6 0 0 0"',
  '-m bpf --bytecode "1,6 0 0 0" --bytecode "1,6 0 0 0"',
];
// iptables cuts numbers to the size of the field, or to the part that it could read.
const bpfOnly = [
  '1,6 0 0 0x10',
  '1,6 0 0 4294967296',
  '1,6 256 0 1',
  '1,65542 0 0 1',
  '1,6 0 0 1 7',
].map((program) => `-m bpf --bytecode "${program}"`);
conformance(test, 'bpf', {
  families: both,
  valid: bpfValid,
  invalid: [
    ...bpfInvalid,
    '-m bpf --bytecode "1,6 0 0 0" --object-pinned /x',
    '-m bpf --object-pinned /x --bytecode "1,6 0 0 0"',
  ],
  // No return at the end, a jump past the end, and a missing object.
  kernelRefuses: [
    '-m bpf --bytecode "1,48 0 0 9"',
    '-m bpf --bytecode "2,21 9 9 6,6 0 0 1"',
    '-m bpf --object-pinned /sys/fs/bpf/nosuchobject',
  ],
  onlyIptables: bpfOnly,
});
conformance(fakeKernel(test, { bpf: 0 }), 'bpf revision 0', {
  families: both,
  maxRevision: () => 0,
  valid: bpfValid,
  invalid: [...bpfInvalid, '-m bpf --object-pinned /x'],
  onlyIptables: bpfOnly,
});

const name31 = 'x'.repeat(31);
conformance(test, 'osf', {
  families: ['ipv4'],
  valid: [
    ...['Linux', 'unknown', name31, "it's", 'é'].flatMap((genre) => [
      `-p tcp -m osf --genre ${genre}`,
      `-p tcp -m osf ! --genre ${genre}`,
    ]),
    ...['0', '1', '2', '0x1', '02'].flatMap((level) => [
      `-p tcp -m osf --genre Linux --ttl ${level}`,
      `-p tcp -m osf --log ${level} --genre Linux`,
      `-p tcp -m osf --log ${level} --ttl 2 ! --genre Linux`,
    ]),
  ],
  invalid: [
    '-m osf',
    '-p tcp -m osf',
    '-p tcp -m osf --ttl 0',
    '-m osf --genre Linux',
    '-p udp -m osf --genre Linux',
    '! -p tcp -m osf --genre Linux',
    ...['3', '-1', 'x', '""'].flatMap((level) => [
      `-p tcp -m osf --genre Linux --ttl ${level}`,
      `-p tcp -m osf --genre Linux --log ${level}`,
    ]),
    '-p tcp -m osf --genre Linux ! --ttl 1',
    '-p tcp -m osf --genre Linux ! --log 1',
    '-p tcp -m osf --genre Linux --genre X',
  ],
  onlyIptables: ['""', `${name31}y`].map((genre) => `-p tcp -m osf --genre ${genre}`),
});
conformance(test, 'osf in IPv6', {
  families: ['ipv6'],
  valid: [],
  invalid: ['-p tcp -m osf --genre Linux'],
});

test.run();
