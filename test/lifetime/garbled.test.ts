// In every call that looks something up, an answer that cannot be decoded is an error. It never means "there is no
// such flow" or "no expectations": a program would then create a second one, or remove a rule.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { describe, runNode } from '../support/node-child.js';
import { shim } from '../support/preload.js';

const test = suite('lifetime: answers that make no sense');

test('every call that looks something up gives an error, and nothing is changed', async () => {
  using elsewhere = Netns.create();
  elsewhere.conntrackSysctls({ timestamp: 1 });
  const folder = mkdtempSync(join(tmpdir(), 'conntrack-'));
  try {
    const control = join(folder, 'control');
    writeFileSync(control, Buffer.alloc(64));
    const ended = await runNode('garbled.mjs', [], {
      prefix: ['nsenter', `--net=${elsewhere.path}`],
      env: { LD_PRELOAD: shim(), SHIM_FAULT: control },
    });
    assert.is(ended.signal, null, describe(ended));
    assert.is(ended.stderr, '', describe(ended));
    assert.is(ended.code, 0, describe(ended));
    const reports = ended.lines.map(
      (line) => JSON.parse(line) as { call: string; garble: string; became: string },
    );
    const last = reports.pop();
    assert.is(last?.became, '[true,1]', 'the flow and the expectation are still there');
    const wrong = reports.filter(({ became }) => became !== 'NetlinkError EBADMSG');
    assert.equal(wrong, []);
    assert.is(reports.length, 33);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
