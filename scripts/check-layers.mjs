// Checks that the imports of src/, native/, bench/, demo/ and examples/ follow the layers of the project. In folders that are
// divided into rooms (in src/, and native/core) it also checks the order of the rooms.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

// A file belongs to the first layer whose prefix fits. It may import from its own layer and from the
// layers in `may`.
const layers = [
  { name: 'cli', prefix: 'src/cli/', may: ['index'] },
  { name: 'audit', prefix: 'src/audit/', may: ['conntrack', 'iptables', 'shared'] },
  // Tables in memory, an entry point of its own. Nothing of the package may use it.
  {
    name: 'testing',
    prefix: 'src/testing/',
    may: ['index', 'conntrack', 'iptables', 'native', 'shared'],
  },
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
  { name: 'demo', prefix: 'demo/', may: ['support'] },
  // Programs that one can copy: they import the package by its name.
  { name: 'examples', prefix: 'examples/', may: [] },
  {
    name: 'support',
    prefix: 'test/support/',
    may: ['index', 'testing', 'conntrack', 'iptables', 'native', 'shared'],
  },
];
const layerOf = (path) => layers.find((layer) => path.startsWith(layer.prefix));

// The rooms of a folder, in order. A file imports from its own room and from those before it. Imports form no
// circle. Files that are directly in the folder come after all rooms.
const rooms = {
  'src/conntrack/': [
    'host', // what the system reports about itself: support, settings, counters, hooks, namespaces
    'columns', // the memory of a batch: its layout, without meaning
    'flow', // one flow as it was read; the list of its fields
    'input', // flows and tuples as callers give them: their types, their checks, their packed form
    'filter', // a FlowFilter: its checks, its packed form, its meaning on columns
    'aggregate', // groupBy, sum and top on columns
    'batch', // FlowBatch
    'lookup', // finding flows by the tuples that name them
    'dump', // reading the table
    'write', // creating, changing, deleting
    'events', // following the table
    'expectations', // flows that helpers expect
  ],
  'src/iptables/': [
    'text', // words, names and addresses as iptables writes them
    'extensions', // matches and targets: one description for each, or for a family of them
    'rule', // one rule: its type, checks, text, meaning; no bytes here
    'table', // tables, and what only reads them: save, watch
    'edit', // changes of a table: typed items, the same for every backend
    'xtables', // the bytes of rules, which the two backends share
    'legacy', // the backend of ip_tables: lock, commit
    'nft', // the backend of nf_tables
  ],
};
const foldersWithRooms = Object.keys(rooms);

// The rooms of native/core, and which other rooms each may include. Files that are directly in native/core include no
// room, and every room may include them. The files of `top` are different: they come after all rooms.
const coreRooms = {
  netlink: [], // messages, sockets, dumps: without the meaning of the messages
  conntrack: ['netlink'], // the table of flows
  xtables: ['netlink'], // what the two backends of iptables share: the bytes of rules, extensions, sets
  legacy: ['netlink', 'xtables'], // tables of ip_tables
  nftables: ['netlink', 'xtables'], // tables of nf_tables
};
const top = ['hooks', 'nsid', 'tracking'];

function files(folder, endings) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .map((name) => join(folder, name));
}

/** The number of a file's room in a folder with rooms. A file directly in the folder has the number after all rooms. */
function placeOf(file, folder) {
  if (!file.startsWith(folder)) return undefined;
  const [room, ...inside] = file.slice(folder.length).split('/');
  return inside.length === 0 ? rooms[folder].length : rooms[folder].indexOf(room);
}

/** The room of a file of native/core: '' if the file is directly in the folder, `top` if it comes last. */
function coreRoomOf(path) {
  const [room, ...inside] = path.slice('core/'.length).split('/');
  if (inside.length > 0) return room;
  return top.includes(room.replace(/\.\w+$/, '')) ? 'top' : '';
}

/** Why a file of native/core may not include another one; undefined if it may. */
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
/** For each file in a folder with rooms: what it imports. */
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

/** Reports every circle of imports once. */
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
