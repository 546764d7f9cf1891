// The tables of iptables of a MemoryKernel: what a test does to them. That edits and restores do what those of the kernel
// do, test/kernel/memory-iptables.test.ts says.
import { ClosedError, Iptables, XtablesError } from '../../src/index.js';
import { MemoryKernel } from '../../src/testing/testing.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('memory iptables');
const start = '*filter\n:INPUT DROP [7:70]\n[1:2] -A INPUT -i lo -j ACCEPT\nCOMMIT\n';

test('instances of the package over the same tables, one set for each family', async () => {
  const kernel = new MemoryKernel({ tables: start, tables6: Buffer.from(start) });
  assert.instance(kernel.iptables, Iptables);
  assert.is(kernel.iptables, kernel.iptables);
  assert.is(kernel.ip6tables.family, 'ipv6');
  assert.equal(await kernel.iptables.tables(), ['filter']);
  const other = kernel.openIptables();
  await other.edit('nat', (nat) => nat.chain('POSTROUTING').append('-o eth0 -j MASQUERADE'));
  assert.equal(await kernel.iptables.tables(), ['filter', 'nat']);
  assert.equal(await kernel.ip6tables.tables(), ['filter']);
  const [rule] = (await kernel.ip6tables.read()).chain('INPUT').rules;
  assert.equal([String(rule), rule?.counters], ['-i lo -j ACCEPT', { packets: 1n, bytes: 2n }]);
  assert.equal(
    [await kernel.iptables.backend(), await new MemoryKernel().iptables.backend()],
    [...['nft', 'none']],
  );
  const { uses, nft } = await kernel.iptables.backendReport();
  assert.equal(
    [uses, nft.tables.map(({ table, used }) => [table, used])],
    [
      ...[
        'nft',
        [
          ['filter', true],
          ['nat', true],
        ],
      ],
    ],
  );
});

test('faults of single operations; nothing is changed', async () => {
  const kernel = new MemoryKernel({ tables: start });
  const ipt = kernel.iptables;
  const before = await ipt.save({ counters: true });
  kernel.fail('iptables commit filter', 'EPERM');
  const edit = () => ipt.edit('filter', (table) => table.chain('INPUT').flush());
  const error = await throws(XtablesError, /^iptables commit filter: EPERM: .*CAP_NET_ADMIN/, edit);
  assert.is(error.code, 'EPERM');
  assert.is((await ipt.save({ counters: true })).split('\n')[1], before.split('\n')[1]);
  kernel.fail('iptables read filter', 'ENOMEM');
  await throws(XtablesError, /^iptables read filter: ENOMEM/, () => ipt.read());
  kernel.fail('iptables tables', 'EACCES');
  await throws(XtablesError, /^iptables tables: EACCES/, () => ipt.tables());
  kernel.fail('iptables changes', 'ENOBUFS');
  await throws(XtablesError, /ENOBUFS/, () => ipt.changes().ready);
  await edit();
  assert.is((await ipt.read()).chain('INPUT').rules.length, 0);
  await throws(RangeError, /^operation: /, async () =>
    kernel.fail('iptables comit filter' as never, 'EIO'),
  );
});

test('edits of two instances wait for each other', async () => {
  const kernel = new MemoryKernel({ tables: start });
  const other = kernel.openIptables();
  const first = kernel.iptables.edit('filter', (table) => table.chain('INPUT').append('-j DROP'));
  const second = other.edit('filter', (table) => table.chain('INPUT').append('-j ACCEPT'));
  await Promise.all([first, second]);
  const { rules } = (await other.read()).chain('INPUT');
  assert.equal(rules.map(String), ['-i lo -j ACCEPT', '-j DROP', '-j ACCEPT']);
});

test('changes of other instances, watch, and the end of all of it', async () => {
  const kernel = new MemoryKernel({ tables: start });
  const ipt = kernel.openIptables();
  const changes = ipt.changes({ tables: ['filter'] });
  await changes.ready;
  await kernel.iptables.edit(['filter', 'raw'], (filter, raw) => {
    filter.chain('INPUT').append('-j LOG');
    raw.newChain('mine');
  });
  const reader = changes[Symbol.asyncIterator]();
  const { value } = await reader.next();
  assert.equal(
    [value?.table, value?.differences.map(({ type }) => type), value?.process?.pid],
    ['filter', ['ruleAdded'], process.pid],
  );
  const hits = ipt.watch({ tables: ['filter'], interval: 10 })[Symbol.asyncIterator]();
  const first = hits.next();
  await kernel.iptables.read();
  await new Promise((resolve) => setTimeout(resolve, 30));
  await kernel.iptables.restore(start.replace('[1:2]', '[4:8]'), { counters: true });
  const hit = (await first).value;
  assert.equal([String(hit?.rule), hit?.packets], ['-i lo -j ACCEPT', 3n]);
  const next = reader.next();
  await ipt.close();
  await throws(ClosedError, /closed/, () => ipt.read());
  await next.catch(() => {});
  assert.equal(await kernel.iptables.tables(), ['filter', 'raw']);
});

test('wrong arguments, by name', async () => {
  const bad: [() => unknown, RegExp][] = [
    [() => new MemoryKernel({ tables: 5 as never }), /^options\.tables: /],
    [() => new MemoryKernel({ tables6: null as never }), /^options\.tables6: /],
    [() => new MemoryKernel({ tables: '*filter\n-A INPUT -j nowhere\nCOMMIT\n' }), /^line 2: /],
    [() => new MemoryKernel().openIptables({ family: 'ipv5' as never }), /^options\.family: /],
    [() => new MemoryKernel().openIptables({ backend: 'nft' } as never), /^options\.backend: /],
  ];
  for (const [call, message] of bad) await throws(Error, message, async () => call());
});

test.run();
