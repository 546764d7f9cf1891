// The addon under AddressSanitizer with LeakSanitizer and UndefinedBehaviorSanitizer, and under ThreadSanitizer. One
// script uses the whole addon, and a program without node runs all thread code. The tests also check that a race is
// found in each place where threads meet (native/core/meeting.h). scripts/sanitize.mjs runs all tests under the
// sanitizers.
// Limit: 1800 s (it builds the addon twice if that was not done before)
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSanitized, fixedLayout, reportsIn, sanitizedNode } from '../../scripts/sanitizer.mjs';
import { makeEvents } from '../support/events.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { describe, type NodeEnding, runNode } from '../support/node-child.js';
import { Child, run } from '../support/process.js';

const test = suite('sanitizers');
const already =
  process.env.SANITIZER_RUNTIME === undefined ? undefined : 'everything is under one already';

type Kind = 'asan' | 'tsan';
let folder: string;
const addons: Partial<Record<Kind, string>> = {};

test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'conntrack-'));
});
test.after(() => rmSync(folder, { recursive: true }));

const addon = (kind: Kind) => (addons[kind] ??= buildSanitized(kind));

interface Sanitized {
  ended: NodeEnding;
  reports: string[];
}

async function sanitized(
  kind: Kind,
  script: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Sanitized> {
  const reports = mkdtempSync(join(folder, `${kind}-`));
  const start = sanitizedNode(kind, addon(kind), reports, true);
  const ended = await runNode(script, args, { node: start.node, env: { ...start.env, ...env } });
  return { ended, reports: reportsIn(reports) };
}

/** The addon with the bug, built for a kind of sanitizer. */
function canary(flags: string): string {
  const source = fileURLToPath(new URL('child/canary.c', import.meta.url));
  const target = join(folder, `canary-${flags.replace(',', '-')}.node`);
  run([
    'cc',
    '-O0',
    '-g1',
    '-shared',
    '-fPIC',
    '-fno-sanitize-recover=all',
    `-fsanitize=${flags}`,
    '-o',
    target,
    source,
  ]);
  return target;
}

for (const [kind, flags, bug, words] of [
  ['asan', 'address,undefined', 'use-after-free', /heap-use-after-free/],
  ['asan', 'address,undefined', 'undefined', /shift exponent 40 is too large/],
  ['asan', 'address,undefined', 'leak', /Direct leak of 4321 byte/],
  ['tsan', 'thread', 'race', /data race/],
] as const) {
  test.when(already, `${kind} sees a bug: ${bug}`, async () => {
    const { ended, reports } = await sanitized(kind, 'canary.mjs', [canary(flags)], {
      CANARY: bug,
    });
    const said = `${describe(ended)}\n${reports.join('\n')}`;
    assert.match(said, words);
    if (kind === 'asan') assert.is.not(ended.code, 0, said);
    // A bug of the addon would be found in the same way. UBSan always writes to standard error.
    assert.ok(reports.length > 0 || bug === 'undefined', said);
  });
}

for (const kind of ['asan', 'tsan'] as const) {
  test.when(already, `everything under ${kind}`, async () => {
    using elsewhere = Netns.create();
    // The script creates translated flows. With these tables there is no warning about missing NAT.
    for (const netns of [Netns.current, elsewhere]) netns.translation();
    const { ended, reports } = await sanitized(kind, 'smoke.mjs', [elsewhere.path]);
    const said = `${describe(ended)}\n${reports.join('\n')}`;
    assert.is(ended.code, 0, said);
    assert.is(ended.signal, null, said);
    assert.is(ended.stderr, '', said);
    assert.equal(ended.lines, ['done'], said);
    assert.equal(reports, [], said);
  });
}

/** The places where threads meet, by layer. */
function places(): { core: string[]; addon: string[] } {
  const source = readFileSync(new URL('../../native/core/meeting.h', import.meta.url), 'utf8');
  const all = [...source.matchAll(/^inline int (\w+) = 0;/gm)].map(([, name]) => name!);
  const inAddon = ['settle', 'dump_stream', 'pull', 'handle'];
  assert.ok(all.length >= 14 && inAddon.every((name) => all.includes(name)), all.join());
  return { core: all.filter((name) => !inAddon.includes(name)), addon: inAddon };
}
/** The canaries that reports are about. */
const canaries = (reports: string) =>
  new Set([...reports.matchAll(/Location is global 'nf::canary::(\w+)/g)].map(([, name]) => name));

/** The program without node, in this namespace. */
async function withoutNode(env: Record<string, string>) {
  const own = Netns.current;
  own.ip('link', 'set', 'lo', 'up');
  own.tracking();
  own.conntrackSysctls({ events: 1 });
  // Enough flows for a second thread: one thread alone decodes the first datagrams of a dump.
  const flows = (await makeEvents({ count: 9000, remove: false })).new;
  using elsewhere = Netns.create();
  const program = join(dirname(addon('tsan')), 'threads_program');
  const child = Child.start([...fixedLayout, program, String(flows), elsewhere.path], {
    TSAN_OPTIONS: 'exitcode=86 second_deadlock_stack=1',
    ...env,
  });
  child.end();
  const { code } = await child.exited;
  own.exec('conntrack', '-F');
  return { code, lines: child.lines, stderr: child.stderr };
}

test.when(already, 'all thread code without node: no finding', async () => {
  const { code, lines, stderr } = await withoutNode({});
  assert.is(stderr, '');
  assert.equal(
    [code, ...lines],
    [0, 'threads', 'cancel', 'relay', 'library', 'dumps', 'events', 'pool', 'iptables', 'commits'],
  );
});

test.when(already, 'a race in each place where threads meet is found without node', async () => {
  const { code, stderr } = await withoutNode({ CANARY: 'all' });
  assert.is(code, 86, stderr);
  const found = canaries(stderr);
  for (const place of places().core) assert.ok(found.has(place), `${place}\n${stderr}`);
});

test.when(
  already,
  'a race in each place where threads meet node is found, and judged ours',
  async () => {
    using elsewhere = Netns.create();
    const { ended, reports } = await sanitized('tsan', 'smoke.mjs', [elsewhere.path], {
      CANARY: 'all',
    });
    const said = `${describe(ended)}\n${reports.join('\n')}`;
    assert.is(ended.code, 0, said);
    const found = canaries(reports.join('\n'));
    for (const place of places().addon) assert.ok(found.has(place), `${place}\n${said}`);
  },
);

test.run();
