// watch(): the counts of rules and policies as they grow.
// Backends: legacy, nft
import type { Iptables } from '../../src/iptables/iptables.js';
import type { RuleHits } from '../../src/iptables/table/watch.js';
import { awaited, until } from '../support/awaited.js';
import { assert, suite } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import {
  families,
  iptables,
  loadCounted,
  openTables,
  packets,
  reset,
} from '../support/iptables-tables.js';

const test = suite('watching iptables counters');

// In nf_tables a policy counts only if a line of the text names it.
const start =
  '*filter\n:INPUT ACCEPT [0:0]\n:c - [0:0]\n:primer - [0:0]\n-A OUTPUT -p udp --dport 11 -j primer\n-A primer\n[5:500] -A INPUT -i lo -p udp --dport 9 -j c\n-A INPUT -p udp --dport 10\n-A c\nCOMMIT\n';

/** Collects hits, and waits for hits of a chain and index. */
class Watch {
  readonly seen: RuleHits[] = [];
  readonly end: Promise<void>;
  readonly abort = new AbortController();
  #wake: (() => void) | undefined;

  constructor(ipt: Iptables, tables?: string[]) {
    const options = { interval: 10, signal: this.abort.signal, ...(tables && { tables }) };
    const hits = ipt.watch(options);
    this.end = (async () => {
      for await (const hit of hits) {
        this.seen.push(hit);
        this.#wake?.();
      }
    })();
  }

  /** Waits until `done` is true for the sum of packets of the rule or policy. */
  async sum(chain: string, index: number | undefined, done: (packets: bigint) => boolean) {
    for (;;) {
      const found = this.seen.filter((hit) => hit.chain === chain && hit.index === index);
      const packets = found.reduce((sum, hit) => sum + hit.packets, 0n);
      if (done(packets)) return found;
      const more = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await awaited(`more hits of ${chain} ${index ?? 'policy'} than ${packets}`, more);
    }
  }
}

/** A watch that has made its first reading: it has reported a packet of a rule for this purpose. */
async function begun(family: Family, ipt: Iptables): Promise<Watch> {
  const watch = new Watch(ipt);
  let first = false;
  const seen = watch
    .sum('primer', 0, (sum) => sum > 0n)
    .then(() => {
      first = true;
    });
  await until(
    'a hit of the primer',
    () => first,
    () => packets(family, 1, 11),
  );
  await seen;
  return watch;
}

test('deltas of rules and policies, with the rule itself', async () => {
  for (const family of families) {
    reset();
    await loadCounted(family, start);
    const ipt = openTables({ family });
    const watch = await begun(family, ipt);
    await packets(family, 7);
    const hits = await watch.sum('INPUT', 0, (sum) => sum >= 7n);
    const last = hits.at(-1)!;
    assert.is(last.table, 'filter');
    assert.is(last.total.packets, 12n);
    assert.is(last.reset, false);
    assert.match(String(last.rule), /--dport 9 -j c/);
    assert.ok(last.time instanceof Date);
    await watch.sum('c', 0, (sum) => sum === 7n);
    const policy = await watch.sum('INPUT', undefined, (sum) => sum >= 7n);
    assert.is(policy[0]!.rule, undefined);
    // A rule without new packets is not reported.
    assert.is(
      watch.seen.some((hit) => hit.chain === 'INPUT' && hit.index === 1),
      false,
    );
    watch.abort.abort();
    await awaited('the end of the watch', watch.end);
    await ipt.close();
  }
});

test('through edits, moves and zeroing', async () => {
  reset();
  await loadCounted('ipv4', start);
  const ipt = openTables();
  const watch = await begun('ipv4', ipt);
  await packets('ipv4', 2);
  await watch.sum('INPUT', 0, (sum) => sum === 2n);
  // The rule has moved. Its old count is not reported again.
  await ipt.edit('filter', (table) => {
    table.chain('INPUT').append('-p tcp').move(0, 2);
  });
  await packets('ipv4', 3);
  const moved = await watch.sum('INPUT', 2, (sum) => sum >= 3n);
  assert.is(
    moved.reduce((sum, hit) => sum + hit.packets, 0n),
    3n,
  );
  assert.is(moved.at(-1)!.total.packets, 10n);
  iptables('ipv4', '-Z');
  await packets('ipv4', 4);
  const after = await watch.sum('INPUT', 2, (sum) => sum >= 7n);
  assert.is(
    after.some((hit) => hit.reset),
    true,
  );
  assert.is(after.at(-1)!.total.packets, 4n);
  watch.abort.abort();
  await awaited('the end of the watch', watch.end);
  await ipt.close();
});

test('a watch ends with the loop, with close(), and before it begins', async () => {
  reset();
  await loadCounted('ipv4', start);
  const ipt = openTables();
  for await (const _ of ipt.watch({ interval: 10, signal: AbortSignal.abort() }))
    assert.unreachable();
  const flood = setInterval(() => void packets('ipv4', 1), 5);
  for await (const hit of ipt.watch({ interval: 10, tables: ['filter'] })) {
    assert.is(hit.table, 'filter');
    break;
  }
  clearInterval(flood);
  const watch = new Watch(ipt, ['filter']);
  await ipt.read();
  await awaited('close() while watched', ipt.close());
  await awaited('the end of the watch', watch.end);
});

test.run();
