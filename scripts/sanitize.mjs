// Runs the tests of test/kernel and test/lifetime with the addon under AddressSanitizer and
// UndefinedBehaviorSanitizer, then under ThreadSanitizer: `node scripts/sanitize.mjs [asan|tsan]
// [part of a path …]`. A finding fails the run, even if its test passes.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSanitized, reportsIn, sanitizedNode } from './sanitizer.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const words = process.argv.slice(2);
const chosen = ['asan', 'tsan'].filter((kind) => words.includes(kind));
const parts = words.filter((word) => !chosen.includes(word));
const tests = parts.length > 0 ? parts : ['/kernel/', '/lifetime/'];

let failed = false;
for (const kind of chosen.length > 0 ? chosen : ['asan', 'tsan']) {
  process.stdout.write(`sanitize: building ${kind}\n`);
  const addon = buildSanitized(kind);
  const reports = mkdtempSync(join(tmpdir(), 'conntrack-sanitize-'));
  // Some tests start node as another user, and this node writes reports too.
  chmodSync(reports, 0o1777);
  const { node, env } = sanitizedNode(kind, addon, reports, false);
  const result = spawnSync(node, ['--import', 'tsx', 'test/run.ts', ...tests], {
    cwd: root,
    stdio: 'inherit',
    env: { TEST_LIMIT_MS: '1200000', ...process.env, ...env },
  });
  const found = reportsIn(reports);
  for (const report of found) process.stdout.write(`${report}\n`);
  process.stdout.write(`sanitize: ${kind}: ${found.length} findings\n`);
  failed ||= result.status !== 0 || found.length > 0;
  rmSync(reports, { recursive: true });
}
process.exit(failed ? 1 : 0);
