// The runner of the tests itself: a reader that is slow gets all of its output.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '../support/harness.js';

const test = suite('test runner');
const runner = fileURLToPath(new URL('../run.ts', import.meta.url));

/** Runs the files of a folder, and reads nothing before the runner has had time to end. */
async function runs(files: Record<string, string>): Promise<{ code: number | null; text: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'conntrack-run-'));
  try {
    for (const [name, body] of Object.entries(files)) writeFileSync(join(folder, name), body);
    const child = spawn(process.execPath, ['--import', 'tsx', runner], {
      env: { ...process.env, TEST_ROOT: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    let text = '';
    child.stdout.setEncoding('utf8');
    // The pipe is full with the first 64 KiB.
    for await (const chunk of child.stdout) {
      text += chunk;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const [code] = (await exited) as [number | null];
    return { code, text };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const passing = "console.log('  Total:     1\\n  Passed:    1\\n  Skipped:   0');";

test('long output is not cut at the end', async () => {
  const long = 2_000_000;
  const { code, text } = await runs({
    'a.test.ts': passing,
    'long.test.ts': `process.stdout.write('x'.repeat(${long}), () => (process.exitCode = 3));`,
  });
  assert.is(text.match(/x{100,}/)?.[0].length, long);
  assert.match(text, /\n1 passed, 1 failed, 0 skipped\n$/);
  assert.is(code, 1);
});

test('the exit code: 0 when all passed, 1 when there was nothing', async () => {
  const good = await runs({ 'a.test.ts': passing });
  assert.equal([good.code, /1 passed, 0 failed/.test(good.text)], [0, true]);
  assert.is((await runs({})).code, 1);
});

test.run();
