// Addresses and prefixes between text and bytes, compared with the system's inet_ntop and inet_pton, and with
// node:net.
import { isIP } from 'node:net';
import {
  formatAddress,
  formatIpv4,
  formatIpv6,
  parseAddress,
  parsePrefix,
  writeAddress,
  writeFlowAddress,
} from '../../src/address.js';
import { ipv4Text, ipv6Text } from '../../src/conntrack/columns/address-text.js';
import { assert, suite, throws } from '../support/harness.js';
import { run } from '../support/process.js';
import { python } from '../support/python.js';
import { Random } from '../support/random.js';

const test = suite('address');

// Python calls the functions of the C library.
const program = `
import json, socket, sys
ask = json.load(sys.stdin)
def family(bytes): return socket.AF_INET if len(bytes) == 4 else socket.AF_INET6
def parse(text):
    for family in (socket.AF_INET, socket.AF_INET6):
        try: return list(socket.inet_pton(family, text))
        except (OSError, ValueError, UnicodeEncodeError): pass
    return None
json.dump({
  "texts": [socket.inet_ntop(family(b), bytes(b)) for b in ask["bytes"]],
  "parsed": [parse(t) for t in ask["texts"]],
}, sys.stdout)
`;

interface Answer {
  texts: string[];
  parsed: (number[] | null)[];
}

function system(bytes: Uint8Array[], texts: string[]): Answer {
  const input = JSON.stringify({ bytes: bytes.map((one) => [...one]), texts });
  return JSON.parse(run([python, '-c', program], { input })) as Answer;
}

const random = new Random(31);

function randomBytes(): Uint8Array {
  if (random.chance(20)) return Uint8Array.from({ length: 4 }, () => random.below(256));
  const bytes = new Uint8Array(16);
  // Runs of zeros of every length and place, small groups and full ones.
  for (let group = 0; group < 8; group++) {
    const value = random.pick([0, 0, 0, 1, 0xff, 0xffff, random.below(65536)]);
    bytes[group * 2] = value >> 8;
    bytes[group * 2 + 1] = value & 255;
  }
  if (random.chance(10)) bytes.fill(0, 0, 10).fill(0xff, 10, 12); // IPv4-mapped
  if (random.chance(10)) bytes.fill(0, 0, 12); // IPv4-compatible
  return bytes;
}

const samples = Array.from({ length: 5000 }, randomBytes);

/** Texts that are almost addresses. */
function damaged(text: string): string {
  const at = random.below(text.length + 1);
  const letters = [':', '::', '.', '0', '00', 'f', 'F', 'g', ' ', '/', '%', '-', '+', '1', '٣'];
  const kind = random.below(3);
  if (kind === 0) return text.slice(0, at) + random.pick(letters) + text.slice(at);
  if (kind === 1) return text.slice(0, at) + text.slice(at + 1);
  return text.slice(0, at) + random.pick(letters) + text.slice(at + 1);
}

test('the text of bytes is that of inet_ntop, and reads back as the same bytes', () => {
  const { texts } = system(samples, []);
  for (const [i, bytes] of samples.entries()) {
    assert.is(formatAddress(bytes), texts[i]);
    const parsed = parseAddress(texts[i]!, 'x');
    const mapped = /^::ffff:\d+\./.test(texts[i]!);
    assert.equal([...parsed.bytes], [...(mapped ? bytes.subarray(12) : bytes)]);
    const family = bytes.length === 4 ? 2 : 10;
    assert.is(parsed.family, mapped ? 2 : family);
    const embedded = new Uint8Array(40);
    assert.is(writeAddress(texts[i]!, embedded, 11), family);
    assert.equal([...embedded.subarray(11, 11 + bytes.length)], [...bytes]);
    if (bytes.length === 16) assert.is(formatIpv6(embedded, 11), texts[i]);
    else assert.is(formatIpv4(new DataView(bytes.buffer).getUint32(0)), texts[i]);
  }
});

test('a remembered text belongs to its address, however many others came between', () => {
  const addresses = [new Uint8Array(4), new Uint8Array(16), ...samples];
  // For each IPv6 address, one with a different first byte and one with a different last byte. So a comparison of
  // fewer bytes fails.
  for (const bytes of samples.slice(0, 2000)) {
    for (const at of [0, bytes.length - 1])
      addresses.push(bytes.map((b, i) => b ^ Number(i === at)));
  }
  let v6 = 0;
  for (let turn = 0; turn < 3 * addresses.length; turn++) {
    // Half of the time one of a few addresses that are still remembered.
    const few = turn % 2 === 0 ? 50 : addresses.length;
    const bytes = addresses[random.below(few)]!;
    if (bytes.length === 4) {
      assert.is(ipv4Text(new DataView(bytes.buffer).getUint32(0)), formatAddress(bytes));
    } else {
      const embedded = new Uint8Array(48);
      embedded.set(bytes, 16);
      assert.is(ipv6Text(embedded, 16), formatAddress(bytes));
      v6++;
    }
  }
  assert.ok(v6 > 1000);
});

test('the package takes exactly the texts that inet_pton takes', () => {
  const { texts } = system(samples.slice(0, 2000), []);
  const written = [
    ...texts.map(damaged),
    ...texts.map((text) => damaged(damaged(text))),
    ...texts.map((text) => text.toUpperCase()),
    ...[
      '',
      ':',
      '::',
      ':::',
      '1',
      '1.2.3.4',
      '1.2.3.4.',
      '.1.2.3.4',
      '01.2.3.4',
      '1.2.3.04',
      '256.1.1.1',
    ],
    ...['::1.2.3.4', '::1.2.3', '1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:7:1.2.3.4', '::ffff:1.2.3.4:5'],
    ...[
      '1:2:3:4:5:6:7:8',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7::',
      '::2:3:4:5:6:7:8',
      '1::8::',
      '1:2:3:4:5:6:7:8:9',
    ],
    ...[
      '00000::',
      '0000::',
      'fe80::1%lo',
      '[::1]',
      '::1/128',
      '0x1::',
      '1::2:3:4:5:6:7:8',
      '::1:2:3:4:5:6:7:8',
    ],
    ...[
      '1.2.3.4\n',
      ' 1.2.3.4',
      '1.2.3.4 ',
      '１.2.3.4',
      '1..2.3',
      '1.2.3.4.5',
      '0.0.0.0',
      '0000:0:0:0:0:0:0:0',
    ],
  ];
  const { parsed } = system([], written);
  let good = 0;
  for (const [i, text] of written.entries()) {
    const bytes = new Uint8Array(16);
    const family = writeAddress(text, bytes, 0);
    const size = family === 0 ? 0 : family === 2 ? 4 : 16;
    const ours = family === 0 ? null : [...bytes.subarray(0, size)];
    assert.equal(ours, parsed[i], JSON.stringify(text));
    // Node takes zone ids as well.
    if (!text.includes('%')) assert.is(isIP(text), family === 2 ? 4 : family === 10 ? 6 : 0, text);
    if (family !== 0) good++;
  }
  assert.ok(good > 500 && good < written.length - 500);
});

test('prefixes: address and bits, or the full length without bits', async () => {
  const cases: [string, number, number][] = [
    ['10.1.2.3/8', 2, 8],
    ['10.1.2.3', 2, 32],
    ['0.0.0.0/0', 2, 0],
    ['fe80::/10', 10, 10],
    ['::1', 10, 128],
    ['::/0', 10, 0],
    ['1.2.3.4/032', 2, 32],
  ];
  for (const [text, family, bits] of cases) {
    const prefix = parsePrefix(text, 'x');
    const ones = [...prefix.mask].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    assert.equal(
      [prefix.family, ones],
      [family, ones.replace(/./g, '0').replace(/0/g, (_, at) => (at < bits ? '1' : '0'))],
      text,
    );
    const whole = parseAddress(text.split('/')[0], 'x').bytes;
    assert.equal(
      [...prefix.bytes],
      [...whole].map((byte, i) => byte & prefix.mask[i]!),
    );
  }
  for (const text of [
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/-1',
    '10.0.0.0/8.0',
    '10.0.0.0/ 8',
    '10.0.0.0/',
  ]) {
    await throws(RangeError, /^x: expected a prefix length/, () => parsePrefix(text, 'x'));
  }
  for (const text of ['/8', '10.0.0/8', 'x/8', '']) {
    await throws(RangeError, /^x: expected an IPv4 or IPv6 address/, () => parsePrefix(text, 'x'));
  }
  for (const value of [undefined, null, 10, {}, ['10.0.0.0/8']]) {
    await throws(TypeError, /^x: expected/, () => parsePrefix(value, 'x'));
    await throws(TypeError, /^x: expected/, () => parseAddress(value, 'x'));
  }
});

test('masks: with and without gaps', async () => {
  for (const [text, bytes, mask] of [
    ['10.1.2.3/255.255.255.0', [10, 1, 2, 0], [255, 255, 255, 0]],
    ['10.1.2.3/255.0.255.0', [10, 0, 2, 0], [255, 0, 255, 0]],
    ['10.1.2.3/0.0.0.0', [0, 0, 0, 0], [0, 0, 0, 0]],
    ['::ffff:10.1.2.3/ffff:ffff:ffff:ffff:ffff:ffff:ff00:ff', [10, 0, 0, 3], [255, 0, 0, 255]],
  ] as const) {
    const prefix = parsePrefix(text, 'x');
    assert.equal([prefix.family, [...prefix.bytes], [...prefix.mask]], [2, bytes, mask], text);
  }
  const six = parsePrefix('fd00:1:2::5/ffff:0:ffff::', 'x');
  assert.is(formatAddress(six.bytes), 'fd00:0:2::');
  assert.is(formatAddress(six.mask), 'ffff:0:ffff::');
  for (const text of ['10.0.0.0/ffff::', 'fd00::/255.0.0.0', '10.0.0.0/255.0.0', '10.0.0.0/8.0']) {
    await throws(
      RangeError,
      /^x: expected a prefix length from 0 to (32|128), or a mask as an IPv/,
      () => parsePrefix(text, 'x'),
    );
  }
});

test('an IPv4-mapped address is the IPv4 address; a scope is refused with the reason', async () => {
  for (const [text, expected] of [
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::FFFF:7f00:1', '127.0.0.1'],
    ['0:0:0:0:0:ffff:0a00:0001', '10.0.0.1'],
    ['::ffff:0:0', '0.0.0.0'],
  ] as const) {
    const parsed = parseAddress(text, 'x');
    assert.equal([parsed.family, formatAddress(parsed.bytes)], [2, expected]);
    // The rest of the place is zeros, as after a plain IPv4 address.
    const bytes = new Uint8Array(18).fill(7);
    assert.is(writeFlowAddress(text, bytes, 1), 2);
    assert.equal([...bytes.subarray(5)], [...new Array(12).fill(0), 7]);
    // Rules keep them as IPv6 addresses.
    assert.is(writeAddress(text, bytes, 0), 10);
  }
  for (const text of ['::fffe:1.2.3.4', '::1.2.3.4', '::ffff:0:1.2.3.4', '64:ff9b::1.2.3.4']) {
    assert.is(parseAddress(text, 'x').family, 10, text);
  }
  const at = ({ family, bytes, mask }: ReturnType<typeof parsePrefix>) =>
    `${family} ${formatAddress(bytes)} ${formatAddress(mask)}`;
  assert.is(at(parsePrefix('::ffff:0:0/96', 'x')), '2 0.0.0.0 0.0.0.0');
  assert.is(at(parsePrefix('::ffff:10.1.2.3/104', 'x')), '2 10.0.0.0 255.0.0.0');
  assert.is(at(parsePrefix('::ffff:10.1.2.3', 'x')), '2 10.1.2.3 255.255.255.255');
  // A short prefix of other addresses is IPv6.
  assert.is(at(parsePrefix('::/0', 'x')), '10 :: ::');
  assert.is(at(parsePrefix('::/80', 'x')), '10 :: ffff:ffff:ffff:ffff:ffff::');
  for (const text of ['::ffff:0:0/95', '::ffff:10.0.0.1/0', '::ffff:10.0.0.1/::ffff:ffff:ffff']) {
    await throws(RangeError, /^x: expected a prefix of 96 bits or more of an IPv4-mapped/, () =>
      parsePrefix(text, 'x'),
    );
  }
  for (const text of ['fe80::1%eth0', 'fe80::1%1', '10.0.0.1%lo']) {
    for (const parse of [parseAddress, parsePrefix]) {
      await throws(RangeError, /^x: has a scope, ".*; connection tracking knows no interface/, () =>
        parse(text, 'x'),
      );
    }
  }
  await throws(RangeError, /^x: expected an IPv4 or IPv6/, () => parseAddress('eth0%1', 'x'));
});

test.run();
