// The package without privileges, without the library, without tracking and without accounting: the calls that work,
// and the messages of the others.
import { fileURLToPath } from 'node:url';
import { Conntrack, conntrack, type Support, support } from '../../src/index.js';
import { bundledProgram } from '../support/bundled.js';
import { conntrackCount } from '../support/conntrack-oracle.js';
import type { Outcome } from '../support/every-operation.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { fill } from '../support/populate.js';
import { run } from '../support/process.js';

const test = suite('privileges');
const node = await bundledProgram(
  fileURLToPath(new URL('../support/every-operation.ts', import.meta.url)),
);
const isRoot = process.getuid?.() === 0;

interface Outcomes {
  of(operation: string): Outcome;
  /** Operations that worked. */
  worked: string[];
  failed: string[];
  support: Support;
}

function outcomes(argv: readonly string[]): Outcomes {
  const lines = run(argv).trim().split('\n');
  const all = lines.map((line) => JSON.parse(line) as Outcome);
  const support = all.pop()!.value as Support;
  const names = (good: boolean) =>
    all.filter(({ error }) => (error === undefined) === good).map(({ operation }) => operation);
  return {
    of: (name) => all.find(({ operation }) => operation === name)!,
    worked: names(true),
    failed: names(false),
    support,
  };
}

const withoutCapabilities = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'];
const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
const needsRoot = isRoot ? undefined : 'needs root, to become someone else';

for (const [who, prefix] of [
  ['root without capabilities', withoutCapabilities],
  ['another user', nobody],
] as const) {
  test.when(needsRoot, `${who}: count, stats and settings work, all else is EPERM`, () => {
    Netns.current.exec('conntrack', '-F');
    fill({ count: 128, seed: 5 });
    const before = conntrackCount();
    const seen = outcomes([...prefix, ...node]);
    // Sysctls are files: their owner needs no capability to write them (net_ctl_permissions).
    const files = who === 'another user' ? [] : ['configure'];
    assert.equal(seen.worked, [
      'count',
      'stats',
      'expectation stats',
      'expectation count',
      'settings',
      ...files,
    ]);
    assert.is(seen.of('count').value, before);
    assert.is(seen.of('stats').value, before);
    assert.is(seen.of('settings').value, 'boolean');
    for (const operation of seen.failed) {
      const error = seen.of(operation).error!;
      if (operation === 'configure') {
        assert.is(error.code, 'EACCES');
        assert.is(error.operation, 'conntrack configure');
        assert.ok(error.hint);
        continue;
      }
      assert.is(error.name, 'NetlinkError', operation);
      assert.is(error.code, 'EPERM', operation);
      assert.match(error.operation, /^conntrack (create|upsert|dump|get|update|delete|flush)$/);
      assert.match(
        error.message,
        /^conntrack \w+: EPERM: operation not permitted; needs CAP_NET_ADMIN/,
      );
      assert.match(String(error.hint), /CAP_NET_ADMIN in this network namespace/);
    }
    assert.is(conntrackCount(), before);
    const { usable, privileges, conntrack: table, libraries } = seen.support;
    assert.ok(usable);
    assert.equal(privileges, { netAdmin: false, netRaw: false, sysAdmin: false });
    assert.ok(table.available && libraries[0]!.usable);
    assert.is(table.tracking.state, 'unknown');
    assert.ok(table.tracking.reasons.length > 0);
  });
}

test.when(needsRoot, 'entering a namespace without the right is EPERM at open', () => {
  using netns = Netns.create();
  const source = `import { Conntrack } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)};
    try { Conntrack.open({ netns: ${JSON.stringify(netns.path)} }); } catch (error) {
      console.log(JSON.stringify({ code: error.code, message: error.message }));
    }`;
  const argv = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', source];
  const error = JSON.parse(run([...withoutCapabilities, ...argv])) as Record<string, string>;
  assert.is(error.code, 'EPERM');
  assert.match(String(error.message), /namespace.*EPERM.*CAP_SYS_ADMIN/);
});

test('root in an unprivileged user namespace can do everything', () => {
  const user = isRoot ? nobody : [];
  const seen = outcomes([...user, 'unshare', '--user', '--map-root-user', '--net', ...node]);
  assert.equal(seen.failed, []);
  assert.is(seen.of('dump').value, 2);
  assert.is(seen.of('dumpBatches').value, 2);
  assert.is(seen.of('get').value, 8);
  assert.is(seen.of('getSync').value, 8);
  assert.is(seen.of('update').value, true);
  assert.is(seen.of('updateWhere').value, 2);
  assert.is(seen.of('upsertMany').value, 2);
  assert.is(seen.of('updateMany').value, 2);
  assert.is(seen.of('updateMany, timeout').value, 1);
  assert.is(seen.of('delete').value, true);
  assert.is(seen.of('deleteMany').value, 1);
  assert.is(seen.of('deleteMany of many').value, 9000);
  assert.is(seen.of('deleteWhere').value, 1);
  assert.is(seen.of('configure').value, true);
  assert.is(seen.of('count').value, 2);
  assert.ok(seen.support.privileges.netAdmin);
  assert.is(seen.support.conntrack.acct, true);
});

test('with the capability everything works, and support() reports no problem', () => {
  const seen = outcomes(['unshare', '--net', ...node]);
  assert.equal(seen.failed, []);
  assert.ok(seen.support.libraries.every(({ usable, version }) => usable && version));
});

test('without the library calls that write say what to install, and all others work', () => {
  const path = support().libraries[0]!.path!;
  const hidden = ['unshare', '--net', '--mount', 'sh', '-c'];
  const seen = outcomes([...hidden, `mount --bind /dev/null "$0" && exec "$@"`, path, ...node]);
  assert.equal(seen.failed, [
    ...['create', 'createMany', 'upsert', 'upsertMany'],
    ...['update', 'updateMany', 'updateMany, timeout', 'updateWhere'],
  ]);
  for (const operation of seen.failed) {
    const error = seen.of(operation).error!;
    assert.is(error.name, 'LibraryError', operation);
    assert.is(error.code, 'ERR_NETFILTER_LIBRARY');
    assert.match(error.message, /libnetfilter_conntrack\.so\.3/);
    assert.match(String(error.hint), /libnetfilter-conntrack3/);
  }
  assert.is(seen.of('dump').value, 0);
  assert.is(seen.of('delete').value, false);
  const [library] = seen.support.libraries;
  assert.not(library!.usable);
  assert.match(String(library!.reason), /libnetfilter_conntrack\.so\.3/);
  assert.match(String(library!.packages), /libnetfilter-conntrack3/);
  assert.ok(seen.support.usable);
});

const tracking = async (netns: Netns) => {
  await using there = Conntrack.open({ netns: netns.path });
  return (await there.dump()).stats.tracking;
};

test('a dump of an empty table says whether the kernel tracks anything', async () => {
  const ways: [string, (netns: Netns) => void][] = [
    ['conntrack match', (n) => n.iptables('-A', 'OUTPUT', '-m', 'conntrack', '--ctstate', 'NEW')],
    ['state match', (n) => n.iptables('-A', 'INPUT', '-m', 'state', '--state', 'NEW')],
    ['v6 only', (n) => n.ip6tables('-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'INVALID')],
    [
      'own chain',
      (n) => {
        n.iptables('-N', 'deep');
        n.iptables('-A', 'deep', '-p', 'tcp', '-m', 'connmark', '--mark', '1', '-j', 'ACCEPT');
      },
    ],
    ['CT target', (n) => n.iptables('-t', 'raw', '-A', 'PREROUTING', '-j', 'CT', '--zone', '1')],
    ['nat table', (n) => n.iptables('-t', 'nat', '-A', 'POSTROUTING', '-j', 'MASQUERADE')],
    [
      'nft ct',
      (n) =>
        n.run(['nft', '-f', '-'], {
          input: 'table inet t {\n chain c {\n ct state established accept\n }\n}\n',
        }),
    ],
  ];
  for (const [name, apply] of ways) {
    using netns = Netns.create();
    assert.is(await tracking(netns), 'none', `before ${name}`);
    // These rules do not turn tracking on.
    netns.iptables('-A', 'INPUT', '-p', 'tcp', '--dport', '22', '-j', 'ACCEPT');
    netns.exec('nft', 'add', 'table', 'inet', 'plain');
    netns.exec('nft', 'add', 'chain', 'inet', 'plain', 'c');
    netns.exec('nft', 'add', 'rule', 'inet', 'plain', 'c', 'tcp', 'dport', '22', 'accept');
    assert.is(await tracking(netns), 'none', `unrelated rules, before ${name}`);
    apply(netns);
    assert.is(await tracking(netns), 'active', name);
  }
});

test('a dump with flows, or with a filter, needs no such hint', async () => {
  using netns = Netns.create();
  await using there = Conntrack.open({ netns: netns.path });
  assert.is((await there.dump({ protocol: 'tcp' })).stats.tracking, undefined);
  fill({ count: 64, netns });
  assert.is((await there.dump()).stats.tracking, undefined);
});

test('support() reports tracking and accounting of this namespace', async () => {
  assert.is(support().conntrack.tracking.state, 'none');
  Netns.current.iptables('-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'NEW');
  const active = support().conntrack.tracking;
  assert.is(active.state, 'active');
  if (active.source === 'rules') {
    assert.match(active.reasons.join(), /^(nftables )?ip filter: (conntrack|ct)$/);
  }
  for (const [acct, timestamp, events] of [
    [0, 1, 0],
    [1, 0, 1],
  ] as const) {
    Netns.current.conntrackSysctls({ acct, timestamp, events });
    const table = support().conntrack;
    assert.equal(
      [table.acct, table.timestamp, table.events],
      [acct === 1, timestamp === 1, events],
    );
    await conntrack.flush();
    fill({ count: 64 });
    const batch = await conntrack.dump();
    assert.is(batch.stats.withoutCounters, acct === 1 ? 0 : 64);
    assert.is(batch.at(0)!.orig.packets, acct === 1 ? 0n : undefined);
    assert.is(batch.sum('packets'), 0n);
  }
});

test.run();
