// The package as a user gets it: packed, and installed into a new project without network and without install
// scripts. Then it is imported, required and type-checked, with the addon, without it, and on a platform that claims
// not to be Linux.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '../support/harness.js';
import { run } from '../support/process.js';

const test = suite('tarball');
const root = fileURLToPath(new URL('../..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'conntrack tarball %20-'));
const installed = join(project, 'node_modules/conntrack');
const node = (...args: string[]) => run([process.execPath, ...args], { env: clean });
// The environment of this run must not help the installed package to find its addon.
const clean = { NODE_PATH: '', CONNTRACK_ADDON: '', NODE_OPTIONS: process.env.NODE_OPTIONS ?? '' };

/** Runs a module of the project, given as text. */
function script(name: string, text: string, ...flags: string[]): unknown {
  const file = join(project, name);
  writeFileSync(file, text);
  return JSON.parse(node(...flags, file));
}

test.before(() => {
  run(['npm', 'pack', '--ignore-scripts', '--silent', '--pack-destination', project, root]);
  const [tarball] = readdirSync(project).filter((name) => name.endsWith('.tgz'));
  mkdirSync(installed, { recursive: true });
  run(['tar', '-xzf', join(project, tarball!), '-C', installed, '--strip-components=1']);
  // Its dependencies come from this checkout, not from the registry.
  for (const name of ['bindings', 'file-uri-to-path', 'node-addon-api']) {
    cpSync(join(root, 'node_modules', name), join(project, 'node_modules', name), {
      recursive: true,
    });
  }
  writeFileSync(join(project, 'package.json'), '{ "name": "user", "private": true }');
  rmSync(join(installed, 'prebuilds'), { recursive: true, force: true });
});

test.after(() => rmSync(project, { recursive: true, force: true }));

const libc = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header
  .glibcVersionRuntime
  ? 'glibc'
  : 'musl';
const folder = () => join(installed, `prebuilds/${process.platform}-${process.arch}`);

const probe = `
  const outcome = await conntrack.count().then((count) => ({ count }), ({ code, message }) => ({ code, message }));
  console.log(JSON.stringify({ usable: support().usable, reason: support().reason, outcome }));
`;
const asModule = `import { conntrack, support } from 'conntrack';\n${probe}`;
type Outcome = {
  usable: boolean;
  reason?: string;
  outcome: { count?: number; code?: string; message?: string };
};

test('the tarball passes check-tarball.mjs', () => {
  run([process.execPath, join(root, 'scripts/check-tarball.mjs')]);
});

test('without a binary the import works and the first use says what to do', () => {
  const { usable, reason, outcome } = script('none.mjs', asModule) as Outcome;
  assert.not(usable);
  assert.ok(reason !== undefined && reason !== '');
  assert.is(outcome.code, 'ERR_NETFILTER_ADDON');
  assert.match(outcome.message!, /npx node-gyp rebuild/);
  assert.not(outcome.message!.includes('\n'));
});

test('the file that is loaded late parses and prints rules, with the same classes and names', () => {
  const text = `import * as all from 'conntrack';
    const { parseRule, formatRule, Iptables, NetfilterError } = all;
    const rule = '-p tcp -m tcp --dport 80 -m conntrack --ctstate NEW -j LOG --log-prefix "a b"';
    const caught = (run) => { try { return run(); } catch (error) { return error; } };
    const bad = caught(() => parseRule('-p tcp --dport 99999'));
    const raw = caught(() => Iptables.open({ netns: '/nowhere' }));
    const named = Object.entries(all).filter(([, value]) => typeof value === 'function');
    console.log(JSON.stringify({
      printed: formatRule(parseRule(rule)),
      bad: [bad instanceof RangeError, bad.message],
      own: raw instanceof NetfilterError,
      wrong: named.filter(([name, { name: own }]) => name !== own).map(([name]) => name),
      same: formatRule(parseRule('-j ACCEPT')),
    }));`;
  assert.equal(script('rules.mjs', text), {
    printed: '-p tcp -m tcp --dport 80 -m conntrack --ctstate NEW -j LOG --log-prefix "a b"',
    bad: [true, '-m tcp --dport: expected a port, a service name or a range of ports, got "99999"'],
    own: true,
    wrong: [],
    same: '-j ACCEPT',
  });
});

test('the import needs neither the late file nor the addon, and stacks name the source', () => {
  const text = `import { parseRule } from 'conntrack';
    import { createRequire } from 'node:module';
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).map((path) => path.split('/').pop());
    const before = loaded();
    let stack = '';
    try { parseRule('-p tcp --dport 99999'); } catch (error) { ({ stack } = error); }
    console.log(JSON.stringify({ before, after: loaded(), source: /iptables\\/rule\\/parser\\.ts:\\d+/.test(stack) }));`;
  assert.equal(script('late.mjs', text, '--enable-source-maps'), {
    before: [],
    after: ['iptables.cjs'],
    source: true,
  });
});

test('on another platform the import works and the first use names Linux', () => {
  const elsewhere = `Object.defineProperty(process, 'platform', { value: 'darwin' });
    const { conntrack, support } = await import('conntrack');\n${probe}`;
  const { usable, outcome } = script('darwin.mjs', elsewhere) as Outcome;
  assert.not(usable);
  assert.is(outcome.code, 'ERR_NETFILTER_UNSUPPORTED_PLATFORM');
  assert.match(outcome.message!, /Linux/);
});

test('with the shipped binary it loads, from a path with spaces and percent signs', () => {
  mkdirSync(folder(), { recursive: true });
  const built = join(root, 'build/Release/conntrack.node');
  copyFileSync(built, join(folder(), `conntrack.${libc}.node`));
  const { usable, outcome } = script('esm.mjs', asModule) as Outcome;
  assert.ok(usable);
  assert.type(outcome.count, 'number');
});

test('require() works, and is the same instance as import', () => {
  const text = `const required = require('conntrack');
    import('conntrack').then((imported) =>
      required.conntrack.count().then((count) =>
        console.log(JSON.stringify({ same: imported.conntrack === required.conntrack, count }))));`;
  const { same, count } = script('cjs.cjs', text) as { same: boolean; count: number };
  assert.ok(same);
  assert.type(count, 'number');
});

test('the error for a broken binary says what is wrong', () => {
  const file = join(folder(), `conntrack.${libc}.node`);
  const kept = `${file}.kept`;
  copyFileSync(file, kept);
  writeFileSync(file, 'not ELF');
  const { outcome } = script('broken.mjs', asModule) as Outcome;
  copyFileSync(kept, file);
  rmSync(kept);
  assert.is(outcome.code, 'ERR_NETFILTER_ADDON');
  assert.match(outcome.message!, /does not fit this system/);
});

test('the error for disabled addons says what is wrong', () => {
  const { outcome } = script('off.mjs', asModule, '--no-addons') as Outcome;
  assert.is(outcome.code, 'ERR_NETFILTER_ADDON');
  assert.match(outcome.message!, /--no-addons/);
});

/** Compiles files of the project against the declarations of the package. Returns the output of tsc. */
function compile(files: readonly string[], ...libs: string[]): string {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false'];
  const options = ['--noEmit', '--module', 'nodenext', '--target', 'es2022', ...strict, ...libs];
  const line = [process.execPath, tsc, ...options, ...files.map((file) => join(project, file))];
  return run(['sh', '-c', '"$@" 2>&1 || :', 'sh', ...line], { env: clean });
}

test('the types compile in a strict project of its own, with Node', () => {
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true });
  for (const name of ['@types/node', 'undici-types']) {
    const target = join(project, 'node_modules', name);
    if (!existsSync(target)) symlinkSync(join(root, 'node_modules', name), target);
  }
  writeFileSync(
    join(project, 'user.mts'),
    `import { conntrack, type Flow, type FlowFilter } from 'conntrack';
    const filter: FlowFilter = { protocol: 'tcp', dstPort: 443 };
    const options = { signal: AbortSignal.timeout(1000) };
    for (const flow of await conntrack.dump(filter, options)) { const one: Flow = flow; console.log(one.orig.src); }
    // @ts-expect-error: a port is a number
    await conntrack.dump({ dstPort: 'https' });\n`,
  );
  const libs = ['--lib', 'es2023,esnext.disposable', '--types', 'node'];
  assert.is(compile(['user.mts'], ...libs), '');
});

test('the types are right with lib es2022 and without @types/node', () => {
  const types = join(root, 'test/types');
  const files = readdirSync(types).filter((name) => name.endsWith('.ts'));
  for (const file of files) copyFileSync(join(types, file), join(project, file));
  writeFileSync(
    join(project, 'hidden.ts'),
    `import { EventBatch, Flow, FlowBatch, Rule, conntrack } from 'conntrack';
    declare const flow: Flow;
    // @ts-expect-error: memory is private
    flow.source;
    // @ts-expect-error: memory is private
    FlowBatch.fromRaw;
    // @ts-expect-error: memory is private
    EventBatch.fromSegment;
    // @ts-expect-error: memory is private
    Rule.at;
    // @ts-expect-error: streams are opened by events()
    conntrack.events().source;\n`,
  );
  writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }');
  const libs = ['--lib', 'es2022', '--typeRoots', join(project, 'none')];
  assert.is(compile([...files, 'hidden.ts'], ...libs), '');
});

test('the declarations of classes contain no native type and no memory of a batch', () => {
  const classes: string[] = [];
  const index = readFileSync(join(installed, 'dist/index.d.ts'), 'utf8');
  for (const [, path] of index.matchAll(/from '(\.[^']+)\.js'/g)) {
    const text = readFileSync(join(installed, 'dist', `${path}.d.ts`), 'utf8');
    const code = text.replace(/\/\*[\s\S]*?\*\//g, '');
    for (const [one, name] of code.matchAll(
      /^export declare (?:abstract )?class (\w+)[\s\S]*?^}/gm,
    )) {
      if (new RegExp(`\\b${name}\\b`).test(index)) classes.push(one);
    }
  }
  assert.ok(classes.length > 20, `${classes.length}`);
  const hidden = /\b(?:ColumnStore|Session|EventSource|RuleSource|EditState|Raw[A-Z]\w+)\b/;
  assert.equal(
    classes.filter((one) => hidden.test(one)),
    [],
  );
});

test.run();
