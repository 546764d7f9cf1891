// The addon for linux-arm64 under qemu, in a node for arm64. It reads a dump of flows from a record, and must read what
// the addon for x64 reads. So the layouts of both architectures, and char without a sign, are compared in all columns.
// Limit: 900 s
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// The compilers of the release.
import { compilers, findZig } from '../../scripts/prebuild.mjs';
import { targets } from '../../scripts/prebuild-targets.mjs';
import type { FlowObject } from '../../src/index.js';
import { encodeFlow, makeFlows } from '../support/flow-messages.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { fill } from '../support/populate.js';
import { run } from '../support/process.js';
import { project, root } from './installed.js';
import { nodeOf } from './registry.js';

const test = suite('arm64');
const folder = mkdtempSync(join(tmpdir(), 'conntrack-arm64-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const libraries = '/usr/aarch64-linux-gnu';
const missing = ['/usr/bin/qemu-aarch64-static', `${libraries}/lib/libc.so.6`].filter(
  (path) => !existsSync(path),
);
const reason =
  missing.length > 0
    ? `no ${missing.join(', ')} (Debian: qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross)`
    : undefined;

const source = join(root, 'test/release/playback.c');
const program = `import { conntrack, support } from 'conntrack';
const plain = (_, value) => (typeof value === 'bigint' ? \`\${value}n\` : value instanceof Uint8Array ? [...value] : value);
Date.now = () => 1e12; // the text of a flow has its age
const batch = await conntrack.dump({}, { parallel: 1 });
const { columns, stats } = batch;
console.log(JSON.stringify({
  arch: process.arch,
  usable: support().usable,
  flows: batch.toArray(),
  columns: Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column && [...column]])),
  text: [...batch].map(String),
  groups: batch.groupBy('protocol', { flows: 'count', bytes: { sum: 'bytes' } }),
  stats: [stats.messages, stats.undecodable],
  some: (await conntrack.dump({ protocol: ['tcp', 'udp'], src: '0.0.0.0/1' })).length,
}, plain));`;

type Reading = {
  arch: string;
  usable: boolean;
  flows: FlowObject[];
  stats: number[];
  some: number;
};

/** Runs the program on a record of a dump. */
function reading(arch: 'x64' | 'arm64', record: string): Reading {
  const name = join(project(), 'play.mjs');
  writeFileSync(name, program);
  const library = join(folder, `playback-${arch}.so`);
  const flags = ['-shared', '-fPIC', '-O1', '-o', library, source];
  const variables = [`LD_PRELOAD=${library}`, `PLAYBACK_PLAY=${record}`];
  const node = nodeOf('22.23.5', arch);
  if (arch === 'x64') {
    run(['cc', ...flags]);
    return JSON.parse(run(['env', ...variables, node, name]));
  }
  const target = targets.find(({ name }) => name === 'linux-arm64-glibc')!;
  run([compilers(findZig(), target).CC, ...flags]);
  const qemu = ['/usr/bin/qemu-aarch64-static', '-L', libraries];
  return JSON.parse(run([...qemu, ...variables.flatMap((one) => ['-E', one]), node, name]));
}

/** A record of one dump: datagrams of at most 16 messages, and the end. */
function written(flows: readonly FlowObject[]): string {
  const done = Buffer.alloc(20);
  done.writeUInt32LE(20, 0);
  done.writeUInt16LE(3, 4); // NLMSG_DONE
  done.writeUInt16LE(2, 6); // NLM_F_MULTI
  const messages = [...flows.map(encodeFlow), done];
  const parts: Buffer[] = [];
  for (let at = 0; at < messages.length; at += 16) {
    const datagram = Buffer.concat(messages.slice(at, at + 16));
    const size = Buffer.alloc(4);
    size.writeUInt32LE(datagram.length);
    parts.push(size, datagram);
  }
  const file = join(folder, 'written');
  writeFileSync(file, Buffer.concat(parts));
  return file;
}

test.when(reason, 'it reads messages with every attribute as x64 does', () => {
  const flows = makeFlows(7, 600);
  const record = written(flows);
  const [x64, arm64] = [reading('x64', record), reading('arm64', record)];
  assert.is(x64.arch, 'x64');
  assert.is(arm64.arch, 'arm64');
  assert.equal(x64.stats, [600, 0]);
  assert.ok(x64.some > 0 && x64.some < 600, `${x64.some}`);
  assert.equal({ ...arm64, arch: 'x64' }, x64);
});

test.when(reason, 'it reads a recorded dump of a kernel as x64 does', () => {
  const record = join(folder, 'recorded');
  using netns = Netns.create();
  const made = fill({ count: 2000, seed: 3, netns });
  const library = join(folder, 'record.so');
  run(['cc', '-shared', '-fPIC', '-O1', '-o', library, source]);
  const name = join(project(), 'record.mjs');
  writeFileSync(name, `import { conntrack } from 'conntrack'; await conntrack.dump();`);
  netns.exec('env', `LD_PRELOAD=${library}`, `PLAYBACK_RECORD=${record}`, process.execPath, name);
  const [x64, arm64] = [reading('x64', record), reading('arm64', record)];
  assert.is(x64.flows.length, made.created);
  assert.equal({ ...arm64, arch: 'x64' }, x64);
});

test.run();
