// Addresses and prefixes between text and bytes, against the system's inet_ntop and inet_pton and against
// node:net.
import { isIP } from 'node:net';
import {
  formatAddress,
  formatIpv4,
  formatIpv6,
  parseAddress,
  parsePrefix,
  writeAddress,
} from '../../src/address.js';
import { assert, suite, throws } from '../support/harness.js';
import { run } from '../support/process.js';
import { Random } from '../support/random.js';

const test = suite('address');

// The C library's own functions; Python hands them on.
const python = `
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
  return JSON.parse(run(['python3', '-c', python], { input })) as Answer;
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

/** Texts that are nearly addresses. */
function damaged(text: string): string {
  const at = random.below(text.length + 1);
  const letters = [':', '::', '.', '0', '00', 'f', 'F', 'g', ' ', '/', '%', '-', '+', '1', '٣'];
  const kind = random.below(3);
  if (kind === 0) return text.slice(0, at) + random.pick(letters) + text.slice(at);
  if (kind === 1) return text.slice(0, at) + text.slice(at + 1);
  return text.slice(0, at) + random.pick(letters) + text.slice(at + 1);
}

test('the text of bytes is what inet_ntop writes, and reads back to them', () => {
  const { texts } = system(samples, []);
  for (const [i, bytes] of samples.entries()) {
    assert.is(formatAddress(bytes), texts[i]);
    const parsed = parseAddress(texts[i]!, 'x');
    assert.equal([...parsed.bytes], [...bytes]);
    assert.is(parsed.family, bytes.length === 4 ? 2 : 10);
    const embedded = new Uint8Array(40);
    assert.is(writeAddress(texts[i]!, embedded, 11), parsed.family);
    assert.equal([...embedded.subarray(11, 11 + bytes.length)], [...bytes]);
    if (bytes.length === 16) assert.is(formatIpv6(embedded, 11), texts[i]);
    else assert.is(formatIpv4(new DataView(bytes.buffer).getUint32(0)), texts[i]);
  }
});

test('what inet_pton takes is taken, what it refuses is refused', () => {
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

test('prefixes: address, bits, and the whole length without them', async () => {
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
    assert.equal([prefix.family, prefix.bits], [family, bits], text);
    assert.equal([...prefix.bytes], [...parseAddress(text.split('/')[0], 'x').bytes]);
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

test.run();
