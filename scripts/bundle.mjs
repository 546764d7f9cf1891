// Bundles src into what users load: dist/index.js, dist/testing.js, dist/core.js with all that both need, and
// dist/iptables.cjs, which core.js loads when a rule is first read, parsed or written. A module is in exactly one of them.
// `node scripts/bundle.mjs [folder]`. tsc writes the declarations. "index.js" below means the first three.
//
// There is a bundle because Node takes half a millisecond for every module, even for a small one. There are
// two because the iptables extensions are larger than all the rest: the import takes 31 ms with two files and
// 95 ms with one (medians of 15, two slow cores). That is worth the plugins below.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decode, encode } from '@jridgewell/sourcemap-codec';
import { build, transformSync } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'src');
const out = resolve(process.argv[2] ?? join(root, 'dist'));
const lateFile = 'iptables.cjs';

// The modules of iptables that are in index.js: the class that users open, the class of a rule, and what both
// need at import. All other modules of iptables are late.
const early = new Set([
  'iptables/change-stream.ts',
  'iptables/iptables.ts',
  'iptables/options.ts',
  'iptables/edit/pending-edit.ts',
  'iptables/rule/rule.ts',
  'iptables/table/builtin-chains.ts',
  'iptables/text/host-names.ts',
]);
const isLate = (name) => name.startsWith('iptables/') && !early.has(name);

/** For each late module: the names that index.js imports from it. */
const late = {};

/** Walks through the modules of index.js and notes what they import from late ones: functions and classes. */
function noteLateNames(module, seen = new Set()) {
  if (seen.has(module)) return;
  seen.add(module);
  const code = readFileSync(join(source, module), 'utf8');
  for (const [, names, path] of code.matchAll(
    /^(?:import|export) \{([^}]*)\} from '(\.[^']+)'/gm,
  )) {
    const name = imported({ resolveDir: dirname(join(source, module)), path });
    const values = names.split(',').map((each) => each.trim());
    const used = values.filter((each) => each !== '' && !each.startsWith('type '));
    if (used.length === 0) continue;
    if (!isLate(name)) noteLateNames(name, seen);
    for (const value of isLate(name) ? used : []) {
      checkKind(name, value);
      late[name] ??= new Set();
      late[name].add(value);
    }
  }
}

/** Only a function or a class can be late: any other value is needed at import. */
function checkKind(name, value) {
  const code = readFileSync(join(source, name), 'utf8');
  const isFunction = new RegExp(
    `export (?:(?:async )?function\\*? ${value}\\b|class ${value}\\b|const ${value} = (?:async )?\\()`,
  );
  if (!isFunction.test(code)) {
    throw new Error(`${name}: ${value} is no function or class, so index.js cannot load it late`);
  }
}

const text = JSON.stringify;
const nameOf = (path) => relative(source, path);
const imported = ({ resolveDir, path }) =>
  nameOf(resolve(resolveDir, path.replace(/\.js$/, '.ts')));

/** What index.js has in place of a late module. The first call of a function loads and binds all of them. */
function stub(name) {
  const names = [...late[name]];
  const calls = names.map((each) => {
    const made = /^[A-Z]/.test(each) ? `new ${each}` : each;
    return `export let ${each} = function (...args) { bind(); return ${made}(...args); };`;
  });
  return `import { load } from 'late:load';
${calls.join('\n')}
function bind() { ({ ${names.join(', ')} } = load()[${text(name)}]); }`;
}

/** How index.js loads the late file. `shared`: the modules of index.js that late ones import. */
function loader(shared) {
  const imports = shared.map((name, i) => `import * as m${i} from ${text(join(source, name))};`);
  return `import { requireBeside } from ${text(join(source, 'native/load.ts'))};
${imports.join('\n')}
let loaded;
export function load() {
  loaded ??= requireBeside('./${lateFile}')({
    ${shared.map((name, i) => `${text(name)}: m${i}`).join(',\n    ')}
  });
  return loaded;
}`;
}

const stubs = (shared) => ({
  name: 'late modules',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\./ }, (args) => {
      const name = imported(args);
      return isLate(name) ? { path: name, namespace: 'late', sideEffects: false } : undefined;
    });
    onResolve({ filter: /^late:load$/ }, () => ({ path: 'load', namespace: 'late' }));
    onLoad({ filter: /./, namespace: 'late' }, ({ path }) => ({
      contents: path === 'load' ? loader(shared) : stub(path),
      resolveDir: source,
    }));
  },
});

/** The entry of the late file. */
function lateEntry() {
  const names = Object.keys(late);
  const imports = names.map((name, i) => `import * as m${i} from './${name}';`);
  const members = names.map(
    (name, i) =>
      `${text(name)}: { ${[...late[name]].map((each) => `${each}: m${i}.${each}`).join(', ')} }`,
  );
  return `${imports.join('\n')}\nexport default {\n${members.join(',\n')}\n};`;
}

/** Gives the late file the modules of index.js instead of copies of them. */
const fromIndex = (core, used) => ({
  name: 'modules of index.js',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\./ }, (args) => {
      const name = imported(args);
      if (!core.has(name)) return undefined;
      used.add(name);
      return { path: name, namespace: 'index' };
    });
    onLoad({ filter: /./, namespace: 'index' }, ({ path }) => ({
      contents: `module.exports = shared[${text(path)}];`,
    }));
  },
});

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  external: ['bindings', 'apache-arrow'],
  absWorkingDir: root,
  outdir: out,
  // Only the declarations need src/globals.ts.
  logOverride: { 'ignored-bare-import': 'silent' },
  write: false,
  metafile: true,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
};
const index = (shared) =>
  build({
    ...common,
    entryPoints: {
      index: join(source, 'index.ts'),
      testing: join(source, 'testing/testing.ts'),
    },
    format: 'esm',
    splitting: true,
    chunkNames: 'core',
    plugins: [stubs(shared)],
  });

/** The modules that are in a bundle. */
const modulesOf = ({ metafile }) =>
  Object.keys(metafile.inputs)
    .filter((path) => path.startsWith('src/'))
    .map((path) => nameOf(join(root, path)));

/**
 * Gives classes back the names that users see in stacks and logs: esbuild renames a class that refers to
 * itself, for example to `_Flow`.
 */
function withClassNames(code) {
  const renamed = [...code.matchAll(/^\s*var (\w+) = class _\1\b/gm)].map(([, name]) => `_${name}`);
  if (renamed.length === 0) return code;
  return code.replace(new RegExp(`\\b(?:${renamed.join('|')})\\b`, 'g'), (name) => name.slice(1));
}

const quotedText = /("(?:[^"\\]|\\.)*")/;
/** A line without blanks at its begin and beside signs. One with a template or a pattern keeps the others. */
function dense(line) {
  const parts = line.trimStart().split(quotedText);
  const plain = (part, i) => i % 2 === 1 || !/['"`/]/.test(part);
  if (!parts.every(plain)) return line.trimStart();
  const cut = (part) => part.replace(/ *([=*<>!&|?:,;{}()[\]]) */g, '$1');
  return parts.map((part, i) => (i % 2 === 1 ? part : cut(part))).join('');
}

/** The code without most of its blanks, a fifth of the size. Its lines stay where they are. */
function withoutBlanks(code) {
  const result = code.split('\n').map(dense).join('\n');
  // A text over several lines would be another one.
  const meaning = (text) => transformSync(text, { minifyWhitespace: true }).code;
  if (meaning(result) !== meaning(code)) throw new Error('a text of the sources spans lines');
  return result;
}

/** A source map with the line of each line and no columns: stacks need no more, and it has a third of the size. */
function linesOnly(code) {
  const map = JSON.parse(code);
  const lines = decode(map.mappings).map(([first]) =>
    first === undefined ? [] : [first.slice(0, 4)],
  );
  return JSON.stringify({ ...map, names: [], mappings: encode(lines) });
}

function write({ outputFiles }) {
  for (const { path, text: code } of outputFiles) {
    writeFileSync(
      path,
      path.endsWith('.map') ? linesOnly(code) : withoutBlanks(withClassNames(code)),
    );
  }
}

mkdirSync(out, { recursive: true });
noteLateNames('index.ts');
noteLateNames('testing/testing.ts');
const core = new Set(modulesOf(await index([])));
const used = new Set();
const lateBundle = await build({
  ...common,
  stdin: { contents: lateEntry(), resolveDir: source, sourcefile: 'late.js' },
  outdir: undefined,
  outfile: join(out, lateFile),
  format: 'iife',
  globalName: 'late',
  banner: { js: 'module.exports = (shared) => {' },
  footer: { js: 'return late.default;\n};' },
  plugins: [fromIndex(core, used)],
});
const indexBundle = await index([...used].sort());
// A module in both files would have two copies of its classes.
const both = new Set(modulesOf(indexBundle));
const twice = modulesOf(lateBundle).filter((name) => both.has(name));
if (twice.length > 0) throw new Error(`in both bundles: ${twice.join(', ')}`);
write(lateBundle);
write(indexBundle);
