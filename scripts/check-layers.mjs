// Holds the imports of src/, native/, bench/, examples/ against the layers of the project, and those inside a folder
// with rooms (of src/, and native/core) against their order. Fails where an arrow points the wrong way.
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

// The rooms of a folder, in order: a file imports from its own room and from those before it, and imports no
// file in a circle. What lies in the folder itself comes after all rooms.
const rooms = {
  'src/conntrack/': [
    'host', // what the system says of itself: support, settings, counters, hooks, namespaces
    'columns', // the memory of a batch: layout, no meaning
    'flow', // one flow as it was read; the list of its fields
    'filter', // a FlowFilter: its checks, its packed form, its meaning on columns
    'aggregate', // groupBy, sum and top on columns
    'batch', // FlowBatch
    'lookup', // what names a flow, and asking for it
    'dump', // reading the table
    'write', // creating, changing, deleting
    'events', // following the table
    'expectations', // flows that helpers expect
  ],
  'src/iptables/': [
    'text', // words, names and addresses as iptables writes them
    'extensions', // matches and targets: one description each, or each family of them
    'rule', // one rule: its type, checks, text, meaning; no bytes here
    'table', // tables and what can be told of them: save, watch
    'edit', // changes of a table: typed items, whatever the backend
    'legacy', // the backend of ip_tables: bytes, lock, commit
    'nft', // the backend of nf_tables
  ],
};
const foldersWithRooms = Object.keys(rooms);

// The rooms of native/core: which others each may include. What lies in the folder itself knows no room, and every
// room may include it; but `top` comes after all rooms.
const coreRooms = {
  netlink: [], // messages, sockets, dumps: nothing of what they are about
  conntrack: ['netlink'], // the table of flows
  xtables: ['netlink'], // what the two backends of iptables share: extensions, sets
  legacy: ['netlink', 'xtables'], // tables of ip_tables
  nftables: ['netlink', 'xtables'], // tables of nf_tables
};
const top = ['hooks', 'nsid', 'tracking'];

function files(folder, endings) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .map((name) => join(folder, name));
}

/** Where a file is in a folder with rooms: the number of its room, after all rooms for the folder itself. */
function placeOf(file, folder) {
  if (!file.startsWith(folder)) return undefined;
  const [room, ...inside] = file.slice(folder.length).split('/');
  return inside.length === 0 ? rooms[folder].length : rooms[folder].indexOf(room);
}

/** Where a file of native/core is: the name of its room, '' for the folder itself, `top` for what comes last. */
function coreRoomOf(path) {
  const [room, ...inside] = path.slice('core/'.length).split('/');
  if (inside.length > 0) return room;
  return top.includes(room.replace(/\.\w+$/, '')) ? 'top' : '';
}

/** What is wrong with a file of native/core that includes another one of it; undefined where nothing is. */
function wrongInclude(file, include) {
  const from = coreRoomOf(file.slice('native/'.length));
  const to = coreRoomOf(include);
  if (from === to || from === 'top' || to === '') return undefined;
  const may = from === '' ? [] : coreRooms[from];
  if (may === undefined) return `${file} is in no room: name it in scripts/check-layers.mjs`;
  if (may.includes(to)) return undefined;
  return `${file} may not include ${include}: ${from || 'native/core'} does not come after ${to}`;
}

const problems = [];
/** What the files of folders with rooms import. */
const imports = new Map();

function checkRooms(file, targets) {
  for (const folder of foldersWithRooms) {
    const place = placeOf(file, folder);
    if (place === undefined) continue;
    if (place < 0) problems.push(`${file} is in no room: name it in scripts/check-layers.mjs`);
    imports.set(file, targets);
    for (const target of targets) {
      if (placeOf(target, folder) > place) {
        problems.push(`${file} may not import ${target}: that room comes later`);
      }
    }
  }
}

/** Every circle of imports, once. */
function checkCircles() {
  const done = new Set();
  const walk = (file, path) => {
    if (path.includes(file)) {
      const circle = [...path.slice(path.indexOf(file)), file];
      problems.push(`these import each other in a circle: ${circle.join(' -> ')}`);
    } else if (!done.has(file)) {
      for (const target of imports.get(file) ?? []) walk(target, [...path, file]);
      done.add(file);
    }
  };
  for (const file of imports.keys()) walk(file, []);
}

for (const file of ['src', 'bench', 'examples'].flatMap((folder) => files(folder, ['.ts']))) {
  const layer = layerOf(file);
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  const targets = Array.from(found, ([, path]) =>
    relative(root, resolve(root, dirname(file), path)).replace(/\.js$/, '.ts'),
  );
  checkRooms(file, targets);
  for (const target of targets) {
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
checkCircles();
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
    if (file.startsWith('native/core/') && include.startsWith('core/')) {
      const wrong = wrongInclude(file, include);
      if (wrong !== undefined) problems.push(wrong);
    }
    if (!core && /^(linux\/netfilter|libnetfilter|libiptc|libmnl)/.test(include)) {
      problems.push(`${file}: native/napi knows nothing of netfilter, but includes ${include}`);
    }
  }
  if (!text.startsWith('//')) problems.push(`${file} does not say in its first lines what it is`);
}
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.exit(problems.length === 0 ? 0 : 1);
