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
import { targets } from '../../scripts/prebuild-targets.mjs';
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

test('a checkout without all binaries is not packed, and is told what to do', () => {
  const checkout = join(project, 'checkout');
  run(['git', '-C', root, 'checkout-index', '--all', '--force', `--prefix=${checkout}/`]);
  const pack = () => {
    const line = ['npm', 'pack', '--dry-run', checkout];
    return run(['sh', '-c', '"$@" 2>&1 || echo "failed: $?"', 'sh', ...line], { env: clean });
  };
  const all =
    /missing: prebuilds\/linux-x64\/conntrack\.glibc\.node, .*linux-arm64\/conntrack\.musl\.node;/;
  const none = pack();
  assert.match(none, all);
  assert.match(none, /"npm run prebuildify" builds them/);
  assert.match(none, /failed: 1/);
  for (const { file } of targets) {
    mkdirSync(join(checkout, file, '..'), { recursive: true });
    writeFileSync(join(checkout, file), 'of other sources');
  }
  assert.match(pack(), /built from other sources: prebuilds\/linux-x64\/conntrack\.glibc\.node/);
  assert.not(existsSync(join(checkout, 'dist')));
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
  const written = ['--declaration', '--outDir', join(project, 'compiled')];
  const options = [...written, '--module', 'nodenext', '--target', 'es2022', ...strict, ...libs];
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

test('the declarations contain no native type and no memory of a batch', () => {
  const text = readFileSync(join(installed, 'dist/index.d.ts'), 'utf8');
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '');
  const exported = [...code.matchAll(/^export (?:type )?\{([\s\S]*?)\};/gm)].flatMap(([, names]) =>
    names!.split(',').map((name) => name.replace(/^\s*type /, '').trim()),
  );
  assert.ok(exported.length > 150, `${exported.length}`);
  // Nobody can import a class of the package that is not exported.
  const classes = [...code.matchAll(/^declare (?:abstract )?class (\w+)/gm)].map(
    ([, name]) => name!,
  );
  assert.ok(classes.length > 15, `${classes.length}`);
  assert.equal(
    classes.filter((name) => !exported.includes(name)),
    [],
  );
  const hidden = /\b(?:ColumnStore|Session|EventSource|RuleSource|EditState|Raw[A-Z]\w+)\b/g;
  assert.equal(code.match(hidden) ?? [], []);
  assert.not.match(text, /@internal/);
});

test('a program that exports what the package gives can have declarations of its own', () => {
  writeFileSync(
    join(project, 'exports.ts'),
    `import { conntrack, Conntrack, EventBatch, FlowBatch, formatSave, iptables, Iptables, namespaces, parseRule, parseRules,
      parseSave, sameRule, support } from 'conntrack';
    export const table = () => Conntrack.open({});
    export const flows = () => conntrack.dump({ protocol: 'tcp' });
    export const batches = () => conntrack.dumpBatches();
    export const first = async () => (await flows()).at(0);
    export const groups = async () => (await flows()).groupBy(['origSrc', 'protocol'], { n: 'count', bytes: { sum: 'bytes' } });
    export const columns = async () => (await flows()).columns;
    export const objects = async () => (await flows()).toArray();
    export const made = FlowBatch.of([]);
    export const madeEvents = EventBatch.of([]);
    export const stream = () => conntrack.events({ types: ['new', 'destroy'] });
    export async function* all() { for await (const event of stream()) yield event; }
    export const eventBatches = () => stream().batches();
    export const deleted = () => conntrack.deleteWhere({ src: '10.0.0.1' }, { returning: true });
    export const created = () => conntrack.createMany([]);
    export const looked = () => conntrack.getMany([]);
    export const numbers = () => conntrack.stats();
    export const settings = () => conntrack.settings();
    export const hooks = () => conntrack.hooks();
    export const expectations = conntrack.expectations;
    export const expected = () => conntrack.expectations.list();
    export const follow = () => conntrack.expectations.events();
    export const rules = Iptables.open();
    export const read = () => iptables.read('nat');
    export const chain = async () => (await read()).chain('PREROUTING');
    export const edited = () => iptables.edit('filter', (filter) => filter.chain('INPUT'));
    export const pending = () => iptables.edit('filter', () => 1, { revertAfter: 1000 });
    export const several = () => iptables.edit(['filter', 'nat'], (tables) => tables);
    export const watched = () => iptables.watch();
    export const changed = () => iptables.changes();
    export const report = () => iptables.backendReport();
    export const one = parseRule('-j ACCEPT');
    export const more = parseRules('-j ACCEPT');
    export const saved = parseSave('');
    export const text = formatSave(saved);
    export const same = sameRule(one, one);
    export const here = support;
    export const others = () => namespaces();\n`,
  );
  for (const libs of [
    ['--lib', 'es2022', '--typeRoots', join(project, 'none')],
    ['--lib', 'es2022', '--types', 'node'],
  ]) {
    assert.is(compile(['exports.ts'], ...libs), '');
  }
  const written = readFileSync(join(project, 'compiled/exports.d.ts'), 'utf8');
  assert.match(written, /^export declare const groups: .*\bGroup<[^,]*"origSrc"/m);
});

test.run();
