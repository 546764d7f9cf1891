// The package where no binary fits: the error names two commands, and the second one builds the addon from the sources in
// the tarball. (The first one installs packages of the distribution, which are here.)
// Limit: 1200 s
import { cpSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeHeaders } from '../../scripts/node-headers.mjs';
import { assert, suite } from '../support/harness.js';
import { run } from '../support/process.js';
import { emptyProject, project } from './installed.js';

const test = suite('from source');

test('the command of the error builds the addon, and the package works', () => {
  const folder = emptyProject('from source'); // a path with a blank
  cpSync(join(project(), 'node_modules'), join(folder, 'node_modules'), { recursive: true });
  const installed = join(folder, 'node_modules/conntrack');
  rmSync(join(installed, 'prebuilds'), { recursive: true });
  const program = join(folder, 'program.mjs');
  writeFileSync(
    program,
    `import { conntrack } from 'conntrack';
    console.log(JSON.stringify(await conntrack.count().catch(({ code, hint }) => ({ code, hint }))));`,
  );
  const env = { CONNTRACK_ADDON: '', npm_config_nodedir: nodeHeaders() ?? '' };
  const before = JSON.parse(run([process.execPath, program], { env }));
  assert.is(before.code, 'ERR_NETFILTER_ADDON');
  const [, first, second] = /: build it with "([^"]+)" and "([^"]+)"$/.exec(before.hint) ?? [];
  assert.match(first!, /^apt-get install -y g\+\+ .*libiptc-dev$/);
  assert.match(
    second!,
    /^npx node-gyp rebuild --directory '.*from source\/node_modules\/conntrack'$/,
  );
  run(['sh', '-c', `${second!.replace('npx', 'npx --yes')} --jobs max`], { env });
  assert.ok(existsSync(join(installed, 'build/Release/conntrack.node')));
  assert.type(JSON.parse(run([process.execPath, program], { env })), 'number');
});

test.run();
