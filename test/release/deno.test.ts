// The tarball in Deno, with and without permissions.
// Limit: 900 s
import { assert, suite } from '../support/harness.js';
import { enterSandbox } from '../support/sandbox.js';
import { denoPath } from './registry.js';
import { sharedTests, supportIn } from './runtimes.js';

// Fetched while there is a network.
const deno = denoPath();
enterSandbox();

const test = suite('Deno');
sharedTests(test, 'deno', [deno, 'run', '-A']);

const runWith = (...names: string[]) => [
  deno,
  'run',
  '--no-prompt',
  ...names.map((name) => `--allow-${name}`),
];

test('no permission: support() says what is missing, and does not throw', () => {
  const { usable, reason, kernel, runtime } = supportIn(...runWith());
  assert.is(usable, false);
  assert.match(reason!, /ERR_NETFILTER_ADDON: .*"deno run --allow-all"/);
  assert.is(kernel, '');
  const options = runtime.lacks.map((lack) => /deno run (--allow-\w+)/.exec(lack)?.[1]);
  assert.equal(options, ['--allow-env', '--allow-sys', '--allow-all']);
});

test('all but the addon: the reason names the permission', () => {
  const { usable, reason } = supportIn(...runWith('env', 'read', 'sys'));
  assert.is(usable, false);
  assert.match(reason!, /ffi access/);
});

test('some permissions: it works, and support() says that it cannot see /proc', () => {
  const { usable, runtime, kernel } = supportIn(...runWith('env', 'ffi', 'read', 'sys'));
  assert.is(usable, true);
  assert.match(kernel, /^\d+\.\d+/);
  assert.is(runtime.lacks.length, 1);
  assert.match(runtime.lacks[0]!, /^the files of \/proc \(deno run --allow-all/);
});

test.run();
