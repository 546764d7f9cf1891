// The tarball in the hands of users: installed by each package manager without scripts, loaded by import and by require
// in each line of Node, and as far as they go in Bun and Deno. Everything runs in a network namespace of its own.
// Limit: 1800 s
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, suite } from '../support/harness.js';
import { sandbox } from '../support/sandbox.js';
import { emptyProject, project, root, tarball } from './installed.js';
import { bunPath, denoPath, fetched, nodeOf, nodeVersions } from './registry.js';

const test = suite('install');
const namespaces = sandbox();
const reason = 'missing' in namespaces ? namespaces.missing : undefined;
const prefix = 'prefix' in namespaces ? namespaces.prefix : [];

/** What a user's program does: reads, writes, follows, and reads rules. */
const body = `
  const flow = { src: '10.0.0.1', dst: '10.0.0.2', protocol: 'udp', srcPort: 1, dstPort: 2 };
  const empty = (await conntrack.dump()).length;
  const stream = conntrack.events({ types: ['new'] });
  await conntrack.create({ ...flow, timeout: 60 });
  let type;
  for await (const event of stream) { type = event.type; break; }
  const batches = [];
  for await (const batch of conntrack.dumpBatches()) batches.push(batch.length);
  const found = (await conntrack.getMany([flow])).length;
  await iptables.edit('filter', (filter) => filter.chain('INPUT').append('-p tcp --dport 22 -j ACCEPT'));
  const rules = (await iptables.read()).chain('INPUT').rules.map(String);
  const deleted = await conntrack.delete(flow);
  await conntrack.close();
  await iptables.close();
  console.log(JSON.stringify({ usable: support().usable, empty, type, batches, found, rules, deleted }));`;
const wanted = {
  ...{ usable: true, empty: 0, type: 'new', batches: [1], found: 1 },
  ...{ rules: ['-p tcp -m tcp --dport 22 -j ACCEPT'], deleted: true },
};
const programs = {
  'esm.mjs': `import { conntrack, iptables, support } from 'conntrack';${body}`,
  'cjs.cjs': `const { conntrack, iptables, support } = require('conntrack');(async () => {${body}})();`,
};

/** Runs the programs of a project and checks what they print. */
function check(folder: string, names: readonly string[], ...runtime: string[]): void {
  for (const name of names) {
    writeFileSync(join(folder, name), programs[name as keyof typeof programs]);
    const argv = [...prefix, ...runtime, name];
    const env = { ...process.env, NODE_PATH: '', NODE_OPTIONS: '', CONNTRACK_ADDON: '' };
    const output = execFileSync(argv[0]!, argv.slice(1), { encoding: 'utf8', cwd: folder, env });
    assert.equal(JSON.parse(output), wanted, `${runtime.join(' ')} ${name}`);
  }
}

const both = Object.keys(programs);

for (const version of nodeVersions) {
  test.when(reason, `Node ${version}: import and require`, () => {
    check(project(), both, nodeOf(version));
  });
}

const node = process.execPath;
/** Runs a package manager in a project, without the scripts of packages. */
function manage(folder: string, ...argv: string[]): void {
  const env = { ...process.env, CI: '1', YARN_ENABLE_SCRIPTS: 'false', YARN_ENABLE_TELEMETRY: '0' };
  execFileSync(argv[0]!, argv.slice(1), { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
}
const managers: Record<string, (folder: string) => void> = {
  npm: (folder) => manage(folder, 'npm', 'install', '--ignore-scripts', tarball()),
  pnpm: (folder) =>
    manage(folder, nodeOf('24.22.3'), join(fetched('pnpm@11'), 'bin/pnpm.mjs'), 'add', tarball()),
  'yarn 1': (folder) =>
    manage(
      folder,
      node,
      join(fetched('yarn@1.22.22'), 'bin/yarn.js'),
      'add',
      '--ignore-scripts',
      tarball(),
    ),
  'yarn 4, with node_modules': (folder) => {
    writeFileSync(join(folder, '.yarnrc.yml'), 'nodeLinker: node-modules\nenableScripts: false\n');
    writeFileSync(join(folder, 'yarn.lock'), '');
    manage(
      folder,
      node,
      join(fetched('@yarnpkg/cli-dist@4.18.1'), 'bin/yarn.js'),
      'add',
      `conntrack@file:${tarball()}`,
    );
  },
  Bun: (folder) => manage(folder, bunPath(), 'add', '--ignore-scripts', tarball()),
};

for (const [name, install] of Object.entries(managers)) {
  test.when(reason, `${name} installs it, and no script runs`, () => {
    const folder = emptyProject(name.replaceAll(/\W+/g, '-'));
    install(folder);
    assert.not(existsSync(join(folder, 'node_modules/conntrack/build')));
    check(folder, both, node);
  });
}

test.when(reason, 'yarn 4 with Plug’n’Play installs it', () => {
  const folder = emptyProject('pnp');
  writeFileSync(join(folder, '.yarnrc.yml'), 'nodeLinker: pnp\nenableScripts: false\n');
  writeFileSync(join(folder, 'yarn.lock'), '');
  const yarn = join(fetched('@yarnpkg/cli-dist@4.18.1'), 'bin/yarn.js');
  manage(folder, node, yarn, 'add', `conntrack@file:${tarball()}`);
  check(folder, both, node, '--require', './.pnp.cjs', '--loader', './.pnp.loader.mjs');
});

test.when(reason, 'the examples run where they are copied to, as Node runs TypeScript', () => {
  for (const name of ['firewall-states', 'firewall-limits']) {
    copyFileSync(join(root, `examples/${name}.ts`), join(project(), `${name}.mts`));
    const argv = [...prefix, nodeOf('24.22.3'), join(project(), `${name}.mts`)];
    const said = execFileSync(argv[0]!, argv.slice(1), { encoding: 'utf8' });
    assert.match(said, /^:FORWARD DROP/m);
  }
});

test.when(reason, 'Bun runs it', () => check(project(), both, bunPath()));
test.when(reason, 'Deno runs it', () => {
  const folder = emptyProject('deno');
  mkdirSync(join(folder, 'node_modules'));
  for (const name of ['conntrack', 'bindings', 'file-uri-to-path']) {
    symlinkSync(join(project(), 'node_modules', name), join(folder, 'node_modules', name));
  }
  check(folder, ['esm.mjs', 'cjs.cjs'], denoPath(), 'run', '-A');
});

test.run();
