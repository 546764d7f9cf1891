// head-read.ts on heads that are made byte by byte: every field in both families, and bytes that no field can
// express.

import type { Family, Rule } from '../../src/iptables/rule/rule.js';
import { layouts } from '../../src/iptables/xtables/entry.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite } from '../support/harness.js';

const test = suite('heads of rules');
const families: Family[] = ['ipv4', 'ipv6'];
const inv = { in: 1, out: 2, src: 8, dst: 0x10, frag: 0x20, proto: 0x40 };

type Change = (bytes: Buffer, layout: (typeof layouts)['ipv4'], family: Family) => void;

/** The rule of an entry without matches and with a changed head. `shift` is its offset in memory. */
function ruleOf(family: Family, change: Change, shift = 0): Rule {
  const plain = encodeRule({ target: { name: 'DROP' } }, { family });
  const bytes = Buffer.from(new ArrayBuffer(plain.length + shift), shift);
  bytes.set(plain);
  change(bytes, layouts[family], family);
  return decodeRule(bytes, { family });
}

/** The fields of a head, and the warnings about other bytes. */
function headOf(rule: Rule): Record<string, unknown> {
  const { matches: _, counters: _c, target: _t, ...head } = rule;
  return head;
}

const put = (bytes: Buffer, at: number, text: string, maskAt: number, mask: number) => {
  bytes.write(text, at);
  bytes.fill(0xff, maskAt, maskAt + mask);
};

test('interfaces: name and mask in memory, in both directions and both families', () => {
  const cases: [name: string, mask: number, text: string | undefined, exact: boolean][] = [
    ['', 0, undefined, true],
    ['eth0', 5, 'eth0', true],
    ['eth0', 4, 'eth0+', true],
    ['eth0', 3, 'eth+', true],
    ['eth0', 0, 'eth0', true],
    ['eth0', 6, 'eth0', false],
    ['eth+', 5, 'eth+', false],
    ['', 1, '', false],
    ['fifteen-bytes-x', 16, 'fifteen-bytes-x', true],
    ['fifteen-bytes-x', 15, 'fifteen-bytes-x+', false],
    ['fifteen-bytes-x', 14, 'fifteen-bytes-+', true],
    ['sixteen-bytes-xx', 16, 'sixteen-bytes-xx', false],
    ['é', 3, 'é', true],
  ];
  for (const family of families) {
    for (const [name, mask, text, exact] of cases) {
      for (const key of ['in', 'out'] as const) {
        for (const inverted of [false, true]) {
          const rule = ruleOf(family, (bytes, layout) => {
            put(bytes, layout[key], name, layout[key === 'in' ? 'inMask' : 'outMask'], mask);
            if (inverted) bytes[layout.invflags] = inv[key];
          });
          const plain = inverted ? { not: text ?? '+' } : text;
          const inexact = exact ? {} : { inexact: `a mask of ${key}` };
          const what = `${family} ${key} ${name}/${mask}${inverted ? ' inverted' : ''}`;
          assert.equal(
            headOf(rule),
            { ...(plain !== undefined && { [key]: plain }), ...inexact },
            what,
          );
        }
      }
    }
  }
});

test('every byte of an interface and of its mask counts, whatever heads were read before', () => {
  for (const family of families) {
    for (let at = 0; at < 16; at++) {
      const ofMask = ruleOf(family, (bytes, layout) => {
        put(bytes, layout.in, 'eth0', layout.inMask, 5);
        bytes[layout.inMask + at]! ^= 0xff;
      });
      assert.is(ofMask.inexact, at === 4 ? undefined : 'a mask of in', `mask byte ${at}`);
      const ofName = ruleOf(family, (bytes, layout) => {
        put(bytes, layout.in, 'fifteen-bytes-x', layout.inMask, 16);
        bytes[layout.in + at] = 0x21;
      });
      const name = [...'fifteen-bytes-x'].map((each, i) => (i === at ? '!' : each)).join('');
      assert.is(ofName.in, at === 15 ? `${name}!` : name, `name byte ${at}`);
      const onlyMask = ruleOf(family, (bytes, layout) => {
        bytes[layout.outMask + at] = 1;
      });
      assert.is(onlyMask.inexact, 'a mask of out', `only mask byte ${at}`);
    }
  }
});

test('a thousand interfaces, each read again after the others', () => {
  const rules = (family: Family) =>
    Array.from({ length: 1000 }, (_, i) =>
      ruleOf(family, (bytes, layout) => {
        put(bytes, layout.in, `veth${i}`, layout.inMask, `veth${i}`.length + 1);
        put(bytes, layout.out, `veth${i}`, layout.outMask, `veth${i}`.length);
      }),
    );
  for (const family of [...families, ...families]) {
    rules(family).forEach((rule, i) => {
      assert.equal(headOf(rule), { in: `veth${i}`, out: `veth${i}+` });
    });
  }
});

test('interfaces that differ in one word of the name or of the mask are told apart', () => {
  for (let word = 0; word < 4; word++) {
    for (let i = 0; i < 400; i++) {
      const letters = [...'aaaabbbbccccddd'];
      letters.splice(4 * word, 3, ...String(i).padStart(3, '0'));
      const name = letters.join('');
      for (const mask of [3, 7, 11, 14, 15, 16]) {
        const rule = ruleOf('ipv4', (bytes, layout) => {
          put(bytes, layout.in, name, layout.inMask, mask);
        });
        assert.is(rule.in, mask === 16 ? name : `${name.slice(0, mask)}+`);
        assert.is(rule.inexact, mask === 15 ? 'a mask of in' : undefined);
      }
    }
  }
});

test('addresses: every byte is at its place', () => {
  for (let byte = 0; byte < 256; byte++) {
    for (let at = 0; at < 4; at++) {
      const rule = ruleOf('ipv4', (bytes) => {
        bytes.set([1, 2, 3, 4, 5, 6, 7, 8]);
        bytes[at] = bytes[4 + at] = byte;
        bytes.fill(0xff, 8, 16);
      });
      const four = (from: number) =>
        Array.from({ length: 4 }, (_, i) => (i === at ? byte : from + i)).join('.');
      assert.equal(headOf(rule), { src: four(1), dst: four(5) });
    }
  }
  for (let at = 0; at < 16; at++) {
    const rule = ruleOf('ipv6', (bytes) => {
      bytes.fill(0x11, 0, 32);
      bytes[at] = bytes[16 + at] = 0x22;
      bytes.fill(0xff, 32, 64);
    });
    const words = Array.from({ length: 8 }, (_, i) =>
      i === at >> 1 ? (at & 1 ? '1122' : '2211') : '1111',
    );
    assert.equal(headOf(rule), { src: words.join(':'), dst: words.join(':') });
  }
});

test('masks, bits beyond them, and no address', () => {
  for (const family of families) {
    const size = layouts[family].addressLength;
    const any = family === 'ipv4' ? '0.0.0.0/0' : '::/0';
    for (const [key, from] of [
      ['src', 0],
      ['dst', size],
    ] as const) {
      const negated = ruleOf(family, (bytes, layout) => {
        bytes[layout.invflags] = inv[key];
      });
      assert.equal(headOf(negated), { [key]: { not: any } });
      const maskAt = from + 2 * size;
      for (let at = 0; at < size; at++) {
        const beyond = ruleOf(family, (bytes) => {
          bytes[from + at] = 1;
        });
        assert.is(beyond.inexact, `bits of ${key} beyond its mask`, `${family} byte ${at}`);
        const gap = ruleOf(family, (bytes) => {
          bytes.fill(0xff, maskAt, maskAt + size);
          bytes[maskAt + at] = 0;
        });
        assert.is(gap.inexact, undefined);
        assert.match(String(gap[key]), at === size - 1 ? /\/(24|120)$/ : /^[\d.:]+\/[\df.:]+$/);
        const whole = ruleOf(family, (bytes) => {
          bytes.fill(0xff, maskAt, maskAt + size);
        });
        assert.is(whole[key], family === 'ipv4' ? '0.0.0.0' : '::');
      }
    }
  }
});

test('flags and negations that no field can express', () => {
  const cases: [family: Family, change: Change, head: Record<string, unknown>][] = [
    ['ipv4', (b, l) => b.set([1], l.flags), { fragment: true }],
    ['ipv4', (b, l) => b.set([1, 0x20], l.flags), { fragment: { not: true } }],
    ['ipv4', (b, l) => b.set([0x20], l.invflags), { inexact: 'a negated flag that is not there' }],
    ['ipv6', (b, l) => b.set([0x20], l.invflags), { inexact: 'a negated flag that is not there' }],
    ['ipv4', (b, l) => b.set([8], l.flags), { inexact: 'an unknown flag' }],
    ['ipv6', (b, l) => b.set([8], l.flags), { inexact: 'an unknown flag' }],
    ['ipv4', (b, l) => b.set([0x80], l.invflags), { inexact: 'an unknown negation' }],
    ['ipv6', (b, l) => b.set([4], l.invflags), { inexact: 'an unknown negation' }],
    [
      'ipv6',
      (b, l) => b.set([6], l.proto),
      { protocol: 'tcp', inexact: 'a protocol that does not count' },
    ],
    ['ipv6', (b, l) => b.set([1], l.flags), { protocol: 'all' }],
    [
      'ipv6',
      (b, l) => b.set([1, 0x40], l.flags),
      { protocol: 'all', inexact: 'a negated protocol that is not there' },
    ],
    ['ipv4', (b, l) => b.set([6, 0, 0, 0x40], l.proto), { protocol: { not: 'tcp' } }],
    ['ipv4', (b, l) => b.set([254], l.proto), { protocol: 254 }],
    ['ipv4', (b, l) => b.set([0xff, 0xff], l.proto), { protocol: 0xffff }],
  ];
  for (const [family, change, head] of cases) {
    assert.equal(headOf(ruleOf(family, change)), head);
  }
});

test('an entry can be at any offset in memory, and its counters are read there', () => {
  for (const family of families) {
    for (let shift = 0; shift < 8; shift++) {
      for (let at = 0; at < 16; at++) {
        const rule = ruleOf(
          family,
          (bytes, layout) => {
            put(bytes, layout.in, 'eth0', layout.inMask, 5);
            bytes[layout.counters + at] = 1;
          },
          shift,
        );
        assert.is(rule.in, 'eth0');
        const value = 1n << BigInt(8 * (at & 7));
        const expected = at < 8 ? { packets: value, bytes: 0n } : { packets: 0n, bytes: value };
        assert.equal(rule.counters, expected);
      }
    }
  }
});

test('objects that rules share cannot be changed', () => {
  const rule = ruleOf('ipv4', (bytes, layout) => {
    bytes[layout.invflags] = inv.src | inv.in | inv.dst;
    bytes.fill(0xff, 12, 16);
  });
  for (const each of [rule, rule.src, rule.dst, rule.in, rule.counters]) {
    assert.ok(Object.isFrozen(each));
  }
});

test.run();
