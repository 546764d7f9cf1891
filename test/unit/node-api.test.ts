// How the addon calls Node-API, for runtimes that are stricter than Node.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '../support/harness.js';

const test = suite('Node-API');
const native = fileURLToPath(new URL('../../native/napi', import.meta.url));

test('no call is made without an environment: Deno refuses that, and Node does not check it', () => {
  let calls = 0;
  for (const file of readdirSync(native)) {
    const text = readFileSync(join(native, file), 'utf8');
    calls += [...text.matchAll(/\bnapi_\w+\(/g)].length;
    assert.not.match(text, /\bnapi_\w+\(\s*(nullptr|NULL|0)\s*,/, file);
  }
  assert.ok(calls > 10);
});

test.run();
