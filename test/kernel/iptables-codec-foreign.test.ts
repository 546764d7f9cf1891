// Rules that other programs may have written: payloads of targets with bytes that iptables would not choose. A typed
// target must print as iptables-save prints it. A raw one must keep its bytes.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import type { Newest } from '../support/fake-kernel.js';
import { fakeKernel } from '../support/fake-kernel.js';
import { assert, suite } from '../support/harness.js';
import { difference, kernelEntries, load, savedRules } from '../support/iptables-kernel.js';
import { Random } from '../support/random-rules.js';

const test = suite('iptables codec: foreign payloads');
const table = 'mangle';
const rounds = 6;

// Without CONNSECMARK and SECMARK, because iptables-save fails on them, and without SET, because it asks the kernel.
const shared = [
  '-j NFLOG',
  '-j NFLOG --nflog-group 3 --nflog-prefix abc --nflog-size 5',
  '-j NFLOG --nflog-range 5',
  '-j NFQUEUE --queue-num 3',
  '-p tcp -j SYNPROXY',
  '-p tcp -j SYNPROXY --mss 5',
  '-j CLASSIFY --set-class 1:2',
  '-j TOS --set-tos 3',
  '-j DSCP --set-dscp 3',
  '-j CHECKSUM --checksum-fill',
  '-j AUDIT --type drop',
  '-p tcp -m tcp --syn -j TCPMSS --set-mss 100',
  '-p tcp -m tcp --syn -j TCPMSS --clamp-mss-to-pmtu',
  '-p tcp -j TCPOPTSTRIP --strip-options 3,4',
  '-j HMARK --hmark-tuple src,sport --hmark-mod 4 --hmark-rnd 3 --hmark-spi 5',
  '-j HMARK --hmark-src-prefix 24 --hmark-tuple ct --hmark-mod 4 --hmark-rnd 3',
  '-j IDLETIMER --timeout 5 --label abc',
  '-j RATEEST --rateest-name abc --rateest-interval 1s --rateest-ewmalog 4s',
  '-j LED --led-trigger-id abc --led-delay 5',
];
const newest = ['-j NFQUEUE --queue-balance 3:9 --queue-bypass'];
const four = [
  '-p tcp -j TPROXY --on-port 80 --tproxy-mark 1/3',
  '-j TEE --gateway 10.0.0.1 --oif eth0',
  '-j TTL --ttl-inc 3',
  '-j TTL --ttl-set 3',
  '-p tcp -j ECN --ecn-tcp-remove',
  '-p tcp -j ECN --ecn-ip-ect 2',
  '-d 10.0.0.1 -j CLUSTERIP',
  '-d 10.0.0.1 -j CLUSTERIP --new --hashmode sourceip --clustermac 01:02:03:04:05:06 --total-nodes 2 --local-node 1',
  '-j ULOG',
  '-j ULOG --ulog-prefix abc --ulog-cprange 5 --ulog-qthreshold 3',
];
const six = [
  '-p tcp -j TPROXY --on-port 80 --tproxy-mark 1/3',
  '-j TEE --gateway fe80::1 --oif eth0',
  '-j HL --hl-dec 3',
  '-j SNPT --src-pfx fd00::/64 --dst-pfx 2001:db8::/64',
  '-j DNPT --src-pfx fd00::/64 --dst-pfx 2001:db8::/64',
];

// The stand-in's file holds struct ipt_replace, then the entries.
const replaceSize = 96;
const layouts = {
  ipv4: { level: 0, target: 88, next: 90 },
  ipv6: { level: 41, target: 140, next: 142 },
} as const;

/** Changes a byte or two of the payload of every target that has one. */
function disturb(bytes: Buffer, family: 'ipv4' | 'ipv6', random: Random): void {
  const layout = layouts[family];
  for (let at = replaceSize; at < bytes.length; ) {
    const size = bytes.readUInt16LE(at + layout.next);
    const target = at + bytes.readUInt16LE(at + layout.target);
    const payload = target + 32;
    const isExtension =
      bytes[target + 2] !== 0 && bytes.toString('latin1', target + 2, target + 7) !== 'ERROR';
    for (let n = random.int(2); isExtension && n < 2; n++) {
      const where = payload + random.int(at + size - payload);
      const bit = bytes[where]! ^ (1 << random.int(8));
      bytes[where] = random.pick([bit, bit, random.int(256), 0, 1, 255]);
    }
    at += size;
  }
}

function compareForeign(family: 'ipv4' | 'ipv6', specs: readonly string[]): void {
  const complaint = load(family, { table }, specs);
  assert.is(complaint === undefined || /^warn/i.test(complaint), true, complaint);
  const file = join(process.env.XT_FAKE_DIR!, `${layouts[family].level}-${table}`);
  const clean = readFileSync(file);
  const random = new Random(Number(process.env.TEST_SEED ?? 1));
  const problems = new Set<string>();
  let typed = 0;
  for (let round = 0; round < rounds; round++) {
    const bytes = Buffer.from(clean);
    disturb(bytes, family, random);
    writeFileSync(file, bytes);
    const saved = savedRules(family, table);
    for (const [index, entry] of kernelEntries(family, table).entries()) {
      const rule = decodeRule(entry, { family });
      const text = rule.toString();
      if (rule.target?.name === 'raw') {
        const told = difference(family, entry, encodeRule(rule.with(), { family }));
        if (told !== undefined) problems.add(`raw: ${text}\n  ${told}`);
        continue;
      }
      typed++;
      if (text !== saved[index]) problems.add(`iptables: ${saved[index]}\n  ours: ${text}`);
      try {
        const again = decodeRule(encodeRule(rule.with(), { family }), { family });
        if (again.toString() !== text) problems.add(`again: ${text}\n  ${again}`);
      } catch (error) {
        // No kernel would have taken these values.
        if (!(error instanceof RangeError)) throw error;
      }
    }
  }
  assert.ok(typed > rounds * 5, `${typed} rules were compared as text`);
  if (problems.size > 0) throw new Error([...problems].slice(0, 10).join('\n'));
}

const older = (specs: readonly string[]) => specs.filter((spec) => !/balance|TEE/.test(spec));
const cases: [string, 'ipv4' | 'ipv6', Newest, readonly string[]][] = [
  ['newest revisions', 'ipv4', {}, [...shared, ...newest, ...four]],
  ['newest revisions', 'ipv6', {}, [...shared, ...newest, ...six]],
  [
    'oldest revisions',
    'ipv4',
    { NFQUEUE: 0, TOS: 0, TPROXY: 0, IDLETIMER: 0 },
    older([...shared, ...four]),
  ],
  [
    'NFQUEUE revision 1',
    'ipv4',
    { NFQUEUE: 1 },
    ['-j NFQUEUE', '-j NFQUEUE --queue-balance 3:9', ...newest, ...shared],
  ],
  ['NFQUEUE revision 2', 'ipv6', { NFQUEUE: 2 }, ['-j NFQUEUE', ...newest, ...shared]],
];
for (const [title, family, revisions, specs] of cases) {
  fakeKernel(test, revisions)(`${title} ${family}`, () => compareForeign(family, specs));
}

test.run();
