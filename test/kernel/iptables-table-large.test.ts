// Tables of many thousand rules are read, saved, edited and restored correctly.
// Backends: legacy, nft
import { here, largeTable } from '../support/backend-differences.js';
import { assert, suite } from '../support/harness.js';
import { families, lines, loadCounted, openTables, saved } from '../support/iptables-tables.js';

const test = suite('large iptables tables');
/** Both families use the same code, so full size is enough for one of them. */
const sizes = { ipv4: here(largeTable), ipv6: 10_000 };
const targets = ['ACCEPT', 'DROP', 'RETURN', 'far'];

function text(family: 'ipv4' | 'ipv6'): string {
  const rules: string[] = [];
  const size = sizes[family];
  for (let i = 0; i < size; i++) {
    const low = i & 0xff;
    const high = i >> 8;
    const address =
      family === 'ipv6' ? `fd00::${high.toString(16)}:${low}/128` : `10.1.${high}.${low}/32`;
    const chain = i % 5 === 0 ? 'far' : 'FORWARD';
    const target = targets[i % (chain === 'far' ? 3 : 4)];
    rules.push(`[${i}:${i * 100}] -A ${chain} -s ${address} -j ${target}`);
  }
  return `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:far - [0:0]\n${rules.join('\n')}\nCOMMIT\n`;
}

for (const family of families) {
  const size = sizes[family];
  test(`${family}: read and save what iptables-restore loaded`, async () => {
    await loadCounted(family, text(family));
    const ipt = openTables({ family });
    const table = await ipt.read();
    assert.is(table.chain('FORWARD').length + table.chain('far').length, size);
    assert.is(table.chain('far').references, size / 5);
    const last = table.chain('FORWARD').rules.at(-1)!;
    assert.equal(last.counters, { packets: BigInt(size - 1), bytes: BigInt(size - 1) * 100n });
    assert.is(
      lines(await ipt.save({ counters: true })).join('\n'),
      saved(family, { counters: true }),
    );
    await ipt.close();
  });

  test(`${family}: edits in many places leave all other rules unchanged`, async () => {
    const ipt = openTables({ family });
    const before = saved(family, { counters: true }).split('\n');
    await ipt.edit('filter', (table) => {
      const chain = table.chain('FORWARD');
      for (let i = 0; i < 150; i++) {
        const index = i * 50 + 7;
        chain.replace(index, `-p udp --dport ${i + 1} -j DROP`);
        chain.insert(`-p tcp --dport ${i + 1} -j DROP`, index + 3);
      }
      table.chain('far').delete(size / 5 - 1);
      table.newChain('new').append('-j far');
    });
    const after = saved(family, { counters: true }).split('\n');
    const kept = new Set(after);
    const gone = before.filter((line) => line.startsWith('[') && !kept.has(line));
    assert.is(gone.length, 151);
    const known = new Set(before);
    const added = after.filter((line) => line.startsWith('[') && !known.has(line));
    assert.is(added.length, 301);
    await ipt.close();
  });

  test(`${family}: restore() makes the same table as iptables-restore`, async () => {
    const ipt = openTables({ family });
    await ipt.restore(text(family), { counters: true });
    const ours = saved(family, { counters: true });
    await loadCounted(family, text(family));
    assert.is(ours, saved(family, { counters: true }));
    // A second restore changes nothing. Without counters all begin at zero.
    await ipt.restore(text(family), { counters: true });
    assert.is(saved(family, { counters: true }), ours);
    await ipt.restore(text(family));
    assert.not.match(saved(family, { counters: true }), /\[[1-9]/);
    await ipt.close();
  });
}

test.run();
