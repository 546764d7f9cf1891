// Holds the imports of src/, native/, bench/, examples/ against the layers of the project and fails
// on the first arrow that points the wrong way.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

// A file belongs to the first layer whose prefix fits; it may import from its own layer and from
// those listed.
const layers = [
  { name: 'cli', prefix: 'src/cli/', may: ['index'] },
  { name: 'audit', prefix: 'src/audit/', may: ['conntrack', 'iptables', 'shared'] },
  { name: 'conntrack', prefix: 'src/conntrack/', may: ['native', 'shared'] },
  { name: 'iptables', prefix: 'src/iptables/', may: ['native', 'shared'] },
  { name: 'native', prefix: 'src/native/', may: ['shared'] },
  {
    name: 'index',
    prefix: 'src/index.ts',
    may: ['conntrack', 'iptables', 'audit', 'native', 'shared'],
  },
  { name: 'shared', prefix: 'src/', may: ['native'] },
  { name: 'bench', prefix: 'bench/', may: ['index', 'support'] },
  { name: 'examples', prefix: 'examples/', may: ['index', 'support'] },
  {
    name: 'support',
    prefix: 'test/support/',
    may: ['index', 'conntrack', 'iptables', 'native', 'shared'],
  },
];
const layerOf = (path) => layers.find((layer) => path.startsWith(layer.prefix));

function files(folder, endings) {
  const found = [];
  let entries;
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true });
  } catch {
    return found;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...files(path, endings));
    else if (endings.some((ending) => entry.name.endsWith(ending))) found.push(path);
  }
  return found;
}

const problems = [];
for (const file of ['src', 'bench', 'examples'].flatMap((folder) => files(folder, ['.ts']))) {
  const layer = layerOf(file);
  const text = readFileSync(join(root, file), 'utf8');
  for (const match of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    const target = relative(root, resolve(root, dirname(file), match[1])).replace(/\.js$/, '.ts');
    const other = layerOf(target);
    if (other === undefined || (other !== layer && !layer.may.includes(other.name))) {
      problems.push(
        `${file} (${layer.name}) may not import ${target} (${other?.name ?? 'no layer'})`,
      );
    }
  }
  if (!/^\s*(\/\/|\/\*|#!)/.test(text))
    problems.push(`${file} does not say in its first lines what it is`);
}
for (const file of files('native', ['.h', '.cc'])) {
  const text = readFileSync(join(root, file), 'utf8');
  const includes = [...text.matchAll(/^\s*#\s*include\s+[<"]([^>"]+)[>"]/gm)].map(
    (match) => match[1],
  );
  const core = file.startsWith('native/core/') || file.startsWith('native/test/');
  for (const include of includes) {
    if (core && /^(napi|node_api|js_native_api|uv|v8|node)\b.*\.h$|^napi\//.test(include)) {
      problems.push(`${file}: native/core knows nothing of Node, but includes ${include}`);
    }
    if (!core && /^(linux\/netfilter|libnetfilter|libiptc|libmnl)/.test(include)) {
      problems.push(`${file}: native/napi knows nothing of netfilter, but includes ${include}`);
    }
  }
  if (!text.startsWith('//')) problems.push(`${file} does not say in its first lines what it is`);
}
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.exit(problems.length === 0 ? 0 : 1);
