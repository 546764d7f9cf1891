// Packets show that rules in nf_tables match what the same rules in ip_tables match: those in a form of our own, and
// those in iptables-nft's form that could have needed another one.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Iptables } from '../../src/iptables/iptables.js';
import { parseRule } from '../../src/iptables/rule/text.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import { families, reset } from '../support/iptables-tables.js';
import { Netns } from '../support/netns.js';
import type { Example } from '../support/nft-differences.js';
import { differences, longName, sameForms } from '../support/nft-differences.js';
import { NftTable, ruleCommand } from '../support/nft-write.js';
import { run } from '../support/process.js';
import { python } from '../support/python.js';

const test = suite('packets and rules written to nf_tables');

const addresses = {
  ipv4: { near: '127.0.0.1', other: '127.0.0.2', far: '10.99.0.2', prefix: '10.99.0.1/24' },
  ipv6: { near: '::1', other: '::1', far: 'fd99::2', prefix: 'fd99::1/64' },
};
const hexOf = (...bytes: readonly number[]) => Buffer.from(bytes).toString('hex');
const port = (number: number) => [number >> 8, number & 0xff];
const udp = (from: number, to: number) => hexOf(...port(from), ...port(to), 0, 8, 0, 0);
const tcp = (from: number, to: number, flags: number) =>
  hexOf(...port(from), ...port(to), 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0);

/** Packets that tell the forms apart. */
function packetsOf(family: Family): object[] {
  const { near, other } = addresses[family];
  const start = { source: near, destination: other };
  const packets: object[] = [];
  for (const [from, to] of [
    [1000, 2000],
    [1000, 2001],
    [1001, 2000],
    [1001, 2001],
    [0, 65535],
    [65535, 1],
  ] as const) {
    packets.push({ ...start, protocol: 17, payload: udp(from, to), mark: from & 7 });
    for (const flags of [0, 2, 0x12, 0x3f]) {
      packets.push({ ...start, protocol: 6, payload: tcp(from, to, flags), mark: to & 3 });
    }
  }
  packets.push({ ...start, protocol: 132, payload: hexOf(0, 0, 0, 0) });
  return packets;
}

function send(packets: readonly object[]): void {
  const script = fileURLToPath(new URL('../support/raw-packets.py', import.meta.url));
  const input = packets.map((packet) => `${JSON.stringify(packet)}\n`).join('');
  const done = spawnSync(python, [script], { input, encoding: 'utf8' });
  assert.is(done.status, 0, done.stderr);
}

function entryOf(example: Example, family: Family): Uint8Array {
  const bytes = Uint8Array.from(encodeRule(parseRule(example.text, { family }), { family }));
  example.change?.(bytes, family);
  return bytes;
}

const hooks = [
  ['INPUT', 1],
  ['OUTPUT', 3],
] as const;

/** Sends packets past the rules in ip_tables and in nf_tables. Both must count the same. Returns how many matched. */
async function compareCounts(
  family: Family,
  examples: readonly Example[],
  packets: readonly object[],
  device: { up(): void; down(): void } = { up() {}, down() {} },
): Promise<number> {
  reset();
  const entries = examples.map((example) => entryOf(example, family));
  await using ipt = Iptables.open({ family, backend: 'legacy' });
  await ipt.edit('filter', (edit) => {
    const rules = edit.newChain('RULES');
    for (const entry of entries) rules.append(decodeRule(entry, { family }));
    for (const [hook] of hooks) edit.chain(hook).append('-j RULES');
  });
  const table = new NftTable(Netns.current, family, 'filter');
  const jump = encodeRule(parseRule('-j RULES', { family }), { family });
  // Before the legacy table: it drops packets whose headers it cannot read.
  table.commit(
    'table',
    'chain RULES',
    ...entries.map((entry) => ruleCommand('RULES', entry)),
    ...hooks.flatMap(([name, hook]) => [
      `base BEFORE-${name} filter ${hook} -5 1`,
      ruleCommand(`BEFORE-${name}`, jump),
    ]),
  );
  // A device of IPv6 sends packets of its own. Each must pass both rules.
  device.up();
  send(packets);
  device.down();
  const { rules } = (await ipt.read('filter')).chain('RULES');
  const counted = rules.map(({ counters }) => `[${counters.packets}:${counters.bytes}]`);
  const wanted = examples.map(({ text, printed }, i) => `${counted[i]} ${printed ?? text}`.trim());
  const got = table.saved('RULES');
  reset();
  run(['nft', 'flush', 'ruleset']);
  assert.equal(got, wanted);
  return counted.filter((each) => !each.startsWith('[0:')).length;
}

for (const family of families) {
  test(`${family}: packets match our forms as they match the rules in ip_tables`, async () => {
    run(['ip', 'link', 'add', longName, 'type', 'veth', 'peer', 'name', 'peer0']);
    const nodad = family === 'ipv6' ? ['nodad'] : [];
    run(['ip', 'address', 'add', addresses[family].prefix, 'dev', longName, ...nodad]);
    const examples = [...differences.flatMap((one) => one.examples), ...sameForms];
    const { near, far } = addresses[family];
    const out = { source: near, destination: far, protocol: 17, payload: udp(1000, 2000) };
    const matching = await compareCounts(
      family,
      examples.filter((one) => (one.family ?? family) === family),
      [...packetsOf(family), out],
      {
        up() {
          for (const device of ['peer0', longName]) run(['ip', 'link', 'set', device, 'up']);
        },
        down: () => run(['ip', 'link', 'del', longName]),
      },
    );
    assert.ok(matching > 20, `${matching} rules match`);
  });
}

test('ipv4: fragments match -f as in ip_tables', async () => {
  const packets = packetsOf('ipv4');
  packets.push({ ...packets[0], fragment: 4 });
  const examples = ['-f', '! -f', '-p udp -f', '! -p udp -f'].map((text) => ({ text }));
  assert.is(await compareCounts('ipv4', examples, packets), 3);
});

test('ipv6: a packet whose headers lead to no protocol does not match -p all', async () => {
  // A header that announces another one, and is cut short. ip6_tables also drops it.
  const lost = { source: '::1', destination: '::1', protocol: 60, payload: '' };
  const all = { text: '-p all', printed: '' };
  assert.is(await compareCounts('ipv6', [all], [lost]), 0);
  assert.is(await compareCounts('ipv6', [{ text: '-s ::1', printed: '-s ::1/128' }], [lost]), 1);
});

test.run();
