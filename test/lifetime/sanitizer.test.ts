// The addon under AddressSanitizer with LeakSanitizer and UndefinedBehaviorSanitizer, and under
// ThreadSanitizer, through one script that uses everything. All tests under them: scripts/sanitize.mjs.
// Limit: 600 s (it builds the addon twice where that was not done before)
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSanitized, reportsIn, sanitizedNode } from '../../scripts/sanitizer.mjs';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { describe, type NodeEnding, runNode } from '../support/node-child.js';
import { run } from '../support/process.js';

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
  addons[kind] ??= buildSanitized(kind);
  const reports = mkdtempSync(join(folder, `${kind}-`));
  const start = sanitizedNode(kind, addons[kind], reports, true);
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
    // The way that a finding in the addon would be found; UBSan writes to standard error whatever it is
    // told.
    assert.ok(reports.length > 0 || bug === 'undefined', said);
  });
}

for (const kind of ['asan', 'tsan'] as const) {
  test.when(already, `everything under ${kind}`, async () => {
    using elsewhere = Netns.create();
    const { ended, reports } = await sanitized(kind, 'smoke.mjs', [elsewhere.path]);
    const said = `${describe(ended)}\n${reports.join('\n')}`;
    assert.is(ended.code, 0, said);
    assert.is(ended.signal, null, said);
    assert.is(ended.stderr, '', said);
    assert.equal(ended.lines, ['done'], said);
    assert.equal(reports, [], said);
  });
}

test.run();
