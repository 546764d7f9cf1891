// What the package does not do: it starts no program, leaves no descriptor to the programs that its user starts, and
// loads nothing from the current directory. Each is tested with every call of docs/privileges.md.
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Conntrack, Iptables } from '../../src/index.js';
import { bundledProgram } from '../support/bundled.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import type { CallOutcome } from '../support/privileged-calls.js';
import { run } from '../support/process.js';

const test = suite('least privilege');
const program = await bundledProgram(
  fileURLToPath(new URL('../support/privileged-calls.ts', import.meta.url)),
);
const needsRoot = process.getuid?.() === 0 ? undefined : 'needs root, to hide programs';
const folder = mkdtempSync(join(tmpdir(), 'least-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

// Some calls wait for the hits of a rule. Its packets come over the loopback, which is up in this namespace.
for (const variant of ['legacy', 'nft']) {
  const rule = ['-A', 'INPUT', '-p', 'udp', '--dport', '53', '-j', 'ACCEPT'];
  Netns.current.exec(`iptables-${variant}`, '-w', ...rule);
}

/** The calls that fail when these words run the program. */
function failures(...words: string[]): CallOutcome[] {
  using elsewhere = Netns.create();
  const lines = run([...words, elsewhere.path])
    .trim()
    .split('\n');
  assert.ok(lines.length > 40, `${lines.length}`);
  return lines
    .map((line) => JSON.parse(line) as CallOutcome)
    .filter(({ code }) => code !== undefined);
}

// Under a sanitizer node is a script, which starts programs.
const isScript = process.env.SANITIZER_RUNTIME && 'everything is under one already';
test.when(
  needsRoot ?? isScript,
  'the package starts no program: every call works where there is none',
  () => {
    const [node, mount] = [process.execPath, '/usr/bin/mount'].map((path) => {
      const copy = join(folder, basename(path));
      copyFileSync(path, copy);
      chmodSync(copy, 0o755);
      return copy;
    });
    const hide = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin']
      .map((path) => `${mount} -t tmpfs tmpfs ${path}`)
      .join(' && ');
    const hidden = ['unshare', '--mount', 'sh', '-c', `${hide} && exec "$@"`, 'sh', node!];
    const code = "console.log(require('child_process').spawnSync('true').error?.code)";
    assert.is(run([...hidden, '-e', code]).trim(), 'ENOENT');
    assert.is(program[0], process.execPath);
    assert.equal(failures(...hidden, ...program.slice(1)), []);
  },
);

test.when(needsRoot, 'nothing of the current directory is loaded', () => {
  const trap = join(folder, 'trap');
  mkdirSync(join(trap, 'node_modules/bindings'), { recursive: true });
  const names = ['libnetfilter_conntrack.so.3', 'libip4tc.so.2', 'libip6tc.so.2', 'conntrack.node'];
  for (const name of [...names, 'iptables.cjs', 'connlabel.conf', 'package.json']) {
    writeFileSync(join(trap, name), 'a trap');
  }
  writeFileSync(join(trap, 'node_modules/bindings/index.js'), 'throw new Error("a trap");');
  assert.equal(failures('env', '-C', trap, ...program), []);
});

test('every descriptor is closed when the user starts a program', async () => {
  const open = () => run(['sh', '-c', 'ls -1 /proc/self/fd']).trim().split('\n').length;
  const before = open();
  using elsewhere = Netns.create();
  await using table = Conntrack.open({ netns: elsewhere.path });
  await using legacy = Iptables.open({ backend: 'legacy' });
  await using nft = Iptables.open({ backend: 'nft' });
  const streams = [
    table.events(),
    table.events({ allNamespaces: true }),
    table.expectations.events(),
    nft.changes(),
  ];
  await nft.read();
  await table.dump();
  table.getSync({ protocol: 'udp', src: '10.0.0.1', dst: '10.0.0.2', srcPort: 1, dstPort: 2 });
  const ours = () =>
    run(['sh', '-c', `ls -1 /proc/${process.pid}/fd`])
      .trim()
      .split('\n').length;
  assert.ok(ours() > before + streams.length, 'nothing is open');
  // In an edit the lock is held.
  await legacy.edit('filter', () => assert.is(open(), before));
  await nft.edit('filter', () => assert.is(open(), before));
  assert.is(open(), before);
  for (const stream of streams) await stream.close();
});

test.run();
