// Matches on contents and clocks: string, time.
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';

const test = suite('iptables codec: contents and clocks');
const both = ['ipv4', 'ipv6'] as const;
const each = (lead: string, values: readonly string[]) => values.map((value) => `${lead} ${value}`);
/** A text as iptables-restore reads it. */
const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;

const bm = '-m string --algo bm';
const plain = [
  'foo',
  'a b',
  'a|b',
  'a|41|b',
  'a"b\\c\'d',
  'ends in \\',
  '\\',
  ' ',
  '~',
  'é',
  '日本',
  '\x7f',
];
const hexadecimal = [
  ...[
    '|41 42|',
    '|4142|',
    '|0041|',
    '|4100|',
    'foo|0d0a|',
    'foo|0d 0a|bar',
    'foo|0d|bar|ff|',
    '|e9|',
  ],
  ...[
    '41|',
    'foo',
    'a\\|b',
    'a\\\\b',
    'a\\xb',
    '|7c|',
    '|22|',
    '|5c|',
    '|27|',
    '|0a|',
    '| 41|',
    '|41 |',
  ],
  ...[
    '|7f|',
    '|20|',
    '|09|',
    '|80|',
    '|C3a9|',
    '|  41 42|x',
    '|41||42|',
    '|41|42|',
    'é|ff|',
    '|eda080|',
  ],
  'a\\\\',
];
const badHexadecimal = [
  ...[
    '|4|',
    '|4g|',
    '|41',
    '||',
    '',
    '|41  42|',
    '|414|',
    'a\\',
    '|41\\42|',
    '|4 1|',
    '|41|42||',
    '|41|\\|x',
  ],
];
conformance(test, 'string', {
  families: both,
  valid: [
    ...plain.flatMap((text) => [
      `${bm} --string ${quoted(text)}`,
      `${bm} ! --string ${quoted(text)}`,
    ]),
    ...hexadecimal.map((text) => `${bm} --hex-string ${quoted(text)}`),
    `${bm} ! --hex-string "|00ff|"`,
    '-m string --string foo --algo kmp',
    `${bm} --string foo --icase`,
    `${bm} --icase --to 10 --from 5 --string foo`,
    ...each(`${bm} --string foo --from`, ['0', '1', '65535', '0x10']),
    ...each(`${bm} --string foo --to`, ['0', '1', '65535']),
    `${bm} --string ${'x'.repeat(128)}`,
    `${bm} --hex-string "${'x'.repeat(126)}|ff|"`,
  ],
  invalid: [
    '-m string',
    bm,
    '-m string --string foo',
    `${bm} --string ""`,
    `${bm} --string ${'x'.repeat(129)}`,
    `${bm} --hex-string ${'x'.repeat(129)}`,
    `${bm} --string foo --hex-string bar`,
    `${bm} --hex-string foo --string bar`,
    `${bm} --string foo --string bar`,
    ...badHexadecimal.map((text) => `${bm} --hex-string ${quoted(text)}`),
    ...each('-m string --string foo --algo', ['fsm', 'xx', 'BM', '0123456789abcdef', '""']),
    `${bm} --string foo --from 10 --to 5`,
    `${bm} --string foo --from 65536`,
    `${bm} --string foo --to x`,
    `${bm} --string foo ! --icase`,
    `${bm} ! --from 5 --string foo`,
  ],
  random: (random) => {
    const alphabet = [...'ab |"\\\'é~0F', '|41|', '|ff 00|'];
    const text = Array.from({ length: 1 + random.int(12) }, () => random.pick(alphabet)).join('');
    const option = random.pick(['--string', '--hex-string']);
    return `${bm} ${random.not()}${option} ${quoted(text)}${random.maybe(30, () => '--icase')}`;
  },
  count: 400,
});

const time = (rest: string) => `-m time ${rest}`;
const everyDay = Array.from({ length: 31 }, (_, index) => index + 1);
const dates = [
  ...['2020-01-02', '2020-01-02T03:04:05', '2020-01-02T03:04', '2020-01-02T03', '2020-01', '2020'],
  ...[
    '1970',
    '1970-01-01T00:00:01',
    '2037',
    '2038-01-19T03:14:07',
    '2038-01-19T03:14:08',
    '2020-02-29',
  ],
  ...['2020-1-2T3:4:5', '2038-12-31T23:59:59', '2000-02-29'],
];
const badDates = [
  ...['20', '1969', '2039', '2100', '2020-13', '2020-02-32', 'x', '""'],
  ...['2020-01-02T24', '2020-01-02T23:60', '2020-01-02T23:59:60', '2020-01-02x', '2020/01/02'],
];
const clocks = ['10:00', '10:00:30', '1:2', '00:00', '00:00:01', '23:59:59', '23:59'];
const badClocks = ['10', '24:00', '23:60', '23:59:60', 'x', '""', '-1:00'];
conformance(test, 'time', {
  families: both,
  valid: [
    time(''),
    ...dates.flatMap((date) => [time(`--datestart ${date}`)]),
    ...dates.filter((date) => date !== '1970').map((date) => time(`--datestop ${date}`)),
    // The kernel stores 0, which iptables-save does not print.
    { spec: time('--datestop 1970'), ours: time('--datestop 1970-01-01T00:00:00') },
    time('--datestart 2021 --datestop 2020'),
    ...clocks.flatMap((clock) => [time(`--timestart ${clock}`), time(`--timestop ${clock}`)]),
    time('--timestart 12:00 --timestop 10:00'),
    time('--timestart 12:00 --timestop 10:00 --contiguous'),
    time('--timestart 10:00 --timestop 10:00 --contiguous'),
    ...each('-m time --monthdays', ['1', '1,5,31', '1,', '5,1', '1,1', everyDay.join()]),
    ...each('-m time ! --monthdays', ['1', '1,2', everyDay.slice(1).join()]),
    ...each('-m time --weekdays', [
      'Mon',
      'Monday',
      'Mo',
      '1',
      '7,1',
      'Mon,',
      'Sun,Sat',
      'Tu,We,Th,Fr',
    ]),
    time('--weekdays Mon,Tue,Wed,Thu,Fri,Sat,Sun'),
    ...each('-m time ! --weekdays', ['Sat,Sun', '1,2,3', 'Mon']),
    time('--kerneltz'),
    time('--localtz'),
    time('--utc'),
    time('--kerneltz --localtz'),
    time(
      '--kerneltz ! --weekdays Sun ! --monthdays 5 --timestop 3:00 --timestart 1:00 --datestop 2021-02-03 --datestart 2020-01-02',
    ),
  ],
  invalid: [
    ...badDates.flatMap((date) => [time(`--datestart ${date}`), time(`--datestop ${date}`)]),
    ...badClocks.flatMap((clock) => [time(`--timestart ${clock}`), time(`--timestop ${clock}`)]),
    time('--contiguous'),
    time('--timestart 10:00 --timestop 12:00 --contiguous'),
    ...each('-m time --monthdays', ['32', '1-5', 'x', '1;2']),
    ...each('-m time --weekdays', ['mon', 'M', '0', 'Foo', ',Mon']),
    time('--kerneltz --utc'),
    time('--utc --localtz'),
    time('--utc --utc'),
    time('! --timestart 10:00'),
    time('! --datestart 2020'),
    time('! --kerneltz'),
    time('--monthdays 1 --monthdays 2'),
  ],
  onlyIptables: [
    // No day at all: these rules never match, or iptables-save prints text that cannot be read.
    ...each('-m time --monthdays', ['0', '""']),
    ...each('-m time --weekdays', ['8', '""']),
    time(`! --monthdays ${everyDay.join()}`),
    time('! --weekdays 1,2,3,4,5,6,7'),
    // iptables takes these as other days or times than the text says.
    ...['2020-00', '2020-01-00'].map((date) => time(`--datestart ${date}`)),
    ...['10:', ':10'].map((clock) => time(`--timestop ${clock}`)),
    time('--monthdays ,,5'),
    time('--weekdays "Mon;Tue"'),
    time('--datestart 2020-02-30'),
    time('--datestart 2020-'),
    time('--datestart 2020-01-02T'),
    time('--weekdays Moxyz'),
  ],
  random: (random) => {
    const clock = () => `${random.int(24)}:${random.int(60)}:${random.int(60)}`;
    const date = () => new Date(1000 * (1 + random.int(0x7fffffff))).toISOString().slice(0, 19);
    return [
      `-m time --timestart ${clock()}`,
      random.maybe(50, () => `--timestop ${clock()}`),
      random.maybe(30, () => `${random.not()}--monthdays ${random.some(everyDay).join()}`),
      random.maybe(30, () => `${random.not()}--weekdays ${1 + random.int(7)},${1 + random.int(7)}`),
      random.maybe(30, () => `--datestart ${date()}`),
      random.maybe(30, () => `--datestop ${date()}`),
      random.maybe(30, () => '--kerneltz'),
    ].join('');
  },
});

test.run();
