// namespaces(): which namespaces exist, how to open them, and which have an id here. Also the hint of a stream of all
// namespaces about those that it cannot hear.
import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { Conntrack, conntrack, type EventStream, namespaces } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { Child, run } from '../support/process.js';

const test = suite('namespaces');
const inode = (path: string) => Number(/\d+/.exec(run(['stat', '-L', '-c', '%i', path]))![0]);

test('namespaces with a name, another mount or a process, and their ids here', async () => {
  using named = Netns.create();
  using numbered = Netns.create();
  Netns.current.ip('netns', 'set', numbered.name!, '17');
  // A leftover name: the mount is gone, but the file is still there.
  writeFileSync('/run/netns/left-over', '');
  const folder = '/run/engine of containers';
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/a b`, '');
  const child = Child.start(['unshare', '--net', 'sh', '-c', 'echo up; exec cat']);
  await child.line(/up/);
  run(['mount', '--bind', `/proc/${child.pid}/ns/net`, `${folder}/a b`]);
  const alone = Child.start(['unshare', '--net', 'sh', '-c', 'echo up; exec cat']);
  await alone.line(/up/);
  try {
    const all = await namespaces();
    const of = (path: string) => all.find((one) => one.inode === inode(path));
    assert.equal(of(named.path), {
      name: named.name,
      path: named.path,
      inode: inode(named.path),
      current: false,
    });
    assert.equal(of(numbered.path), {
      name: numbered.name,
      path: numbered.path,
      inode: inode(numbered.path),
      nsid: 17,
      current: false,
    });
    assert.is(of(`${folder}/a b`)!.path, `${folder}/a b`);
    assert.is(of(`/proc/${alone.pid}/ns/net`)!.path, `/proc/${alone.pid}/ns/net`);
    const current = all.filter((one) => one.current);
    assert.equal(
      current.map((one) => `net:[${one.inode}]`),
      [readlinkSync('/proc/self/ns/net')],
    );
    assert.is(current[0]!.nsid, undefined);
    // Each is listed once, and can be opened by its name or path.
    assert.is(new Set(all.map((one) => one.inode)).size, all.length);
    assert.not(all.some(({ name }) => name === 'left-over'));
    for (const path of [named.path, `${folder}/a b`, `/proc/${alone.pid}/ns/net`]) {
      const one = of(path)!;
      await using table = Conntrack.open({ netns: one.name ?? one.path });
      assert.type(await table.count(), 'number');
    }
  } finally {
    run(['umount', `${folder}/a b`]);
    await child.stop();
    await alone.stop();
  }
});

const unheard = (stream: EventStream) =>
  stream.stats.hints.filter((hint) => /without an id here no event is heard/.test(hint));

test('a stream of all namespaces names those that it does not hear', async () => {
  using one = Netns.create('aaa-1');
  using two = Netns.create('aaa-2');
  using here = Netns.create('aaa-3');
  await using table = Conntrack.open({ netns: here.path });
  const open = async (options: object) => {
    const stream = table.events(options);
    await stream.close();
    return stream;
  };
  const [hint] = unheard(await open({ allNamespaces: true }));
  assert.match(hint!, /aaa-1, aaa-2/);
  assert.not.match(hint!, /aaa-3/);
  assert.match(hint!, /ip netns set NAME auto/);
  // Each listening namespace has its own ids.
  Netns.current.ip('netns', 'set', 'aaa-1', '31');
  assert.match(unheard(await open({ allNamespaces: true }))[0]!, /aaa-1, aaa-2/);
  here.ip('netns', 'set', 'aaa-1', '32');
  const [later] = unheard(await open({ allNamespaces: true }));
  assert.not.match(later!, /aaa-1/);
  assert.match(later!, /aaa-2/);
  assert.equal(unheard(await open({})), []);
  assert.ok(one.name !== two.name);
});

test('a hint about nf_conntrack_events = 2 says that older flows send no events', async () => {
  Netns.current.conntrackSysctls({ events: 2 });
  await conntrack.create({
    src: '10.0.0.1',
    dst: '10.0.0.2',
    protocol: 'udp',
    srcPort: 1,
    dstPort: 2,
    timeout: 60,
  });
  const told = async (types?: ('new' | 'update' | 'destroy')[]) => {
    const stream = conntrack.events(types === undefined ? {} : { types });
    await stream.close();
    return stream.stats.hints.some((hint) => /nf_conntrack_events is 2/.test(hint));
  };
  assert.is(await told(['new']), false);
  assert.is(await told(['update']), true);
  assert.is(await told(['new', 'destroy']), true);
  assert.is(await told(), true);
  const expectations = conntrack.expectations.events({ types: ['new'] });
  await expectations.close();
  assert.ok(expectations.stats.hints.some((hint) => /nf_conntrack_events is 2/.test(hint)));
  await conntrack.flush();
});

test.run();
