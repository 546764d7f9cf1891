// watch() compares two readings: rules that moved, counters that were reset, tables that come later. Also an abort in
// the middle of a reading.
// Backends: legacy, nft
import type { RuleHits } from '../../src/iptables/table/watch.js';
import { compare, watchRules } from '../../src/iptables/table/watch.js';
import { Session } from '../../src/native/session.js';
import { awaited } from '../support/awaited.js';
import { assert, suite } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import { backendOf, families, loadCounted, reset } from '../support/iptables-tables.js';

const test = suite('comparing readings of iptables counters');

const open = () => new Session({ netns: null, receiveBuffer: null });
const time = new Date(0);
/** Reads tables. `tables` can choose which ones. */
const reader = (session: Session, tables?: () => Promise<string[]>) => async () => {
  const backend = backendOf(session, 'ipv4');
  return {
    tables: tables ?? (() => backend.tables()),
    read: (table: string, signal: AbortSignal) => backend.read(table, signal),
  };
};

const table = (...lines: string[]) =>
  `*filter\n:a - [0:0]\n:b - [0:0]\n${lines.join('\n')}\nCOMMIT\n`;

/** The hits that watch() reports between two contents of the table. */
async function told(family: Family, before: string, after: string): Promise<RuleHits[]> {
  const session = open();
  await loadCounted(family, before);
  const tables = backendOf(session, family);
  const then = await tables.read('filter');
  await loadCounted(family, after);
  const now = await tables.read('filter');
  const hits = [...compare(then, now, time)];
  await session.close();
  return hits;
}

/** All hits of a watch that must end. */
function all(what: string, watch: AsyncIterable<RuleHits>): Promise<RuleHits[]> {
  const hits = (async () => {
    const found: RuleHits[] = [];
    for await (const hit of watch) found.push(hit);
    return found;
  })();
  return awaited(`the end of the watch ${what}`, hits);
}

const brief = ({ chain, index, packets, bytes, total, reset }: RuleHits) => {
  return { chain, index, packets, bytes, total: [total.packets, total.bytes], reset };
};

test('a reset of counters shows in the packets, only in the bytes, or not at all', async () => {
  reset();
  for (const family of families) {
    const one = async (then: string, now: string) => {
      const rule = '-A a -p tcp -j RETURN';
      const hits = await told(family, table(`[${then}] ${rule}`), table(`[${now}] ${rule}`));
      return hits.map(brief);
    };
    const at = { chain: 'a', index: 0 };
    assert.equal(await one('5:500', '7:900'), [
      { ...at, packets: 2n, bytes: 400n, total: [7n, 900n], reset: false },
    ]);
    assert.equal(await one('5:500', '4:900'), [
      { ...at, packets: 4n, bytes: 900n, total: [4n, 900n], reset: true },
    ]);
    assert.equal(await one('5:500', '6:100'), [
      { ...at, packets: 6n, bytes: 100n, total: [6n, 100n], reset: true },
    ]);
    assert.equal(await one('5:500', '5:499'), [
      { ...at, packets: 5n, bytes: 499n, total: [5n, 499n], reset: true },
    ]);
    assert.equal(await one('5:500', '5:501'), [
      { ...at, packets: 0n, bytes: 1n, total: [5n, 501n], reset: false },
    ]);
    assert.equal(await one('5:500', '5:500'), []);
    // After a reset to zero it reports nothing until the next packet.
    assert.equal(await one('5:500', '0:0'), []);
  }
});

test('a reset of a policy that shows only in the bytes', async () => {
  reset();
  for (const family of families) {
    const policy = (count: string) => `*filter\n:INPUT ACCEPT [${count}]\nCOMMIT\n`;
    const hits = await told(family, policy('5:500'), policy('6:100'));
    assert.equal(hits.map(brief), [
      {
        chain: 'INPUT',
        index: undefined,
        packets: 6n,
        bytes: 100n,
        total: [6n, 100n],
        reset: true,
      },
    ]);
  }
});

test('a rule that moved to another chain keeps counting', async () => {
  reset();
  for (const family of families) {
    const rule = '-p udp -m comment --comment moved';
    const hits = await told(
      family,
      table(`[5:500] -A a ${rule}`, '[1:10] -A a -p tcp'),
      table('[1:10] -A a -p tcp', `[7:700] -A b ${rule}`),
    );
    assert.equal(hits.map(brief), [
      { chain: 'b', index: 0, packets: 2n, bytes: 200n, total: [7n, 700n], reset: false },
    ]);
    assert.match(String(hits[0]!.rule), /--comment moved/);
    // The equal rule in the same chain comes first, at any index there.
    const both = await told(
      family,
      table(`[5:500] -A a ${rule}`, `[50:5000] -A b ${rule}`),
      table('-A a -p tcp', `[6:600] -A a ${rule}`, '-A b -p tcp', `[52:5200] -A b ${rule}`),
    );
    assert.equal(
      both.map((hit) => [hit.chain, hit.index, hit.packets, hit.reset]),
      [
        ['a', 1, 1n, false],
        ['b', 1, 2n, false],
      ],
    );
    // An additional equal rule is a new rule.
    const twice = await told(
      family,
      table(`[5:500] -A a ${rule}`),
      table(`[5:500] -A a ${rule}`, `[3:300] -A b ${rule}`),
    );
    assert.equal(
      twice.map((hit) => [hit.chain, hit.packets, hit.reset]),
      [['b', 3n, true]],
    );
  }
});

test('a table that comes later is reported from its first packet on', async () => {
  reset();
  await loadCounted('ipv4', '*filter\n[5:500] -A INPUT -p 99\nCOMMIT\n');
  const session = open();
  const abort = new AbortController();
  let readings = 0;
  const tables = async () => {
    readings++;
    if (readings === 2) await loadCounted('ipv4', '*mangle\n[3:300] -A INPUT -p 98\nCOMMIT\n');
    if (readings === 4) abort.abort();
    return readings < 2 ? ['filter'] : ['filter', 'mangle'];
  };
  const watch = watchRules(reader(session, tables), undefined, 10, [abort.signal]);
  const hits = await all('of a table that comes later', watch);
  // Counts of filter from before the watch are not reported.
  assert.equal(
    hits.map((hit) => [hit.table, hit.index, hit.packets, hit.bytes, hit.reset]),
    [['mangle', 0, 3n, 300n, true]],
  );
  await session.close();
});

test('an abort by the consumer ends the watch without another pause', async () => {
  reset();
  await loadCounted('ipv4', '*filter\n[5:500] -A INPUT -p 99\nCOMMIT\n');
  const session = open();
  const abort = new AbortController();
  const hour = 3_600_000;
  const real = globalThis.setTimeout;
  let pauses = 0;
  // The first pause ends at once. A second one would be long.
  const shorter = (call: () => void, ms?: number, ...more: []) =>
    real(call, ms === hour && pauses++ === 0 ? 0 : ms, ...more);
  globalThis.setTimeout = shorter as typeof setTimeout;
  try {
    let readings = 0;
    const tables = async () => {
      if (readings++ === 1) await loadCounted('ipv4', '*filter\n[7:700] -A INPUT -p 99\nCOMMIT\n');
      return ['filter'];
    };
    const told: bigint[] = [];
    const watch = (async () => {
      for await (const hit of watchRules(reader(session, tables), undefined, hour, [
        abort.signal,
      ])) {
        told.push(hit.packets);
        abort.abort();
      }
    })();
    await awaited('the end of the watch that its reader aborted', watch);
    assert.equal(told, [2n]);
    assert.is(pauses, 1);
    assert.is(readings, 2);
  } finally {
    globalThis.setTimeout = real;
  }
  await session.close();
});

test('an abort before, in and after a reading ends the watch without an error', async () => {
  reset();
  await loadCounted('ipv4', '*filter\n[5:500] -A INPUT -p 99\nCOMMIT\n');
  const session = open();
  for (const when of ['tables', 'reading', 'pause']) {
    const abort = new AbortController();
    let readings = 0;
    const tables = async () => {
      readings++;
      if (when === 'tables') abort.abort(new Error('enough'));
      if (when === 'reading') queueMicrotask(() => abort.abort(new Error('enough')));
      if (when === 'pause') setImmediate(() => setImmediate(() => abort.abort()));
      return ['filter'];
    };
    const watch = watchRules(reader(session, tables), undefined, 3_600_000, [abort.signal]);
    assert.equal(await all(`that is aborted in its ${when}`, watch), []);
    assert.is(readings, 1, when);
  }
  // A real error is an error.
  const failing = watchRules(reader(session), ['nosuch'], 10, [undefined]);
  let error: unknown;
  try {
    for await (const _ of failing) assert.unreachable();
  } catch (caught) {
    error = caught;
  }
  assert.match(String(error), /ENOENT/);
  await session.close();
});

test.run();
