// Generates the numbers that TypeScript has in common with native code, from the headers of native/core.
// src/conntrack/columns/schema.ts has the layout of flows, src/native/numbers.ts every other number and offset.
// `--check` only compares, for the lint.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const core = `${root}native/core/`;
const headers = readdirSync(core, { recursive: true })
  .filter((name) => name.endsWith('.h'))
  .sort()
  .map((name) => ({
    name,
    // Without comments, because words in them could look like code.
    text: readFileSync(core + name, 'utf8').replace(/\/\/.*$/gm, ''),
  }));

/** Ends with an error: a header no longer has the name or the form that this script looks for. */
function fail(message) {
  process.stderr.write(`gen-columns: ${message}\n`);
  process.exit(1);
}

/** What the pattern captures. It must fit in exactly one header. */
function only(pattern, what) {
  const found = headers.flatMap(({ name, text }) => {
    const match = pattern.exec(text);
    return match ? [{ name, match }] : [];
  });
  if (found.length !== 1) fail(`${what}: in ${found.length} headers of native/core instead of one`);
  return { header: found[0].name, captured: found[0].match.slice(1) };
}

/** The arguments of each entry of one X-macro list. */
function entries(list, item) {
  const { captured } = only(new RegExp(`#define ${list}\\(${item}\\)((?:.*\\\\\\n)*.*)`), list);
  const found = captured[0].matchAll(new RegExp(`${item}\\(([^)]*)\\)`, 'g'));
  return [...found].map((match) => match[1].split(',').map((part) => part.trim()));
}

const integer = (text, what) => {
  const value = Number(text);
  if (!Number.isInteger(value)) fail(`${what}: ${text} is not a plain number`);
  return value;
};

/** The name without its prefix: kOrigSrc becomes origSrc. */
const named = (name, prefix) => {
  if (!name.startsWith(prefix)) fail(`${name} does not begin with ${prefix}`);
  const rest = name.slice(prefix.length);
  return rest[0].toLowerCase() + rest.slice(1);
};

/** The enumerators of an enum, numbered as in C++. `count` is left out: it only counts the others. */
function enumeration(name, prefix = 'k', count = undefined) {
  const pattern = new RegExp(`enum (?:class )?${name} : [\\w:]+ \\{([^}]*)\\}`);
  const { header, captured } = only(pattern, `enum ${name}`);
  let next = 0;
  const values = captured[0]
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && part !== count)
    .map((part) => {
      const [enumerator, value] = part.split('=').map((side) => side.trim());
      const number = value === undefined ? next : integer(value, enumerator);
      next = number + 1;
      return [named(enumerator, prefix), number];
    });
  return { header, values };
}

/** The value of a constant. */
function constant(name) {
  const { captured } = only(
    new RegExp(`inline constexpr [\\w:]+ ${name} = (-?\\w+);`),
    `constant ${name}`,
  );
  return integer(captured[0], name);
}

/** The constants with this prefix. All are in one header. */
function constants(prefix) {
  const pattern = `inline constexpr [\\w:]+ (${prefix}[A-Z]\\w*) = (\\d+);`;
  const { header } = only(new RegExp(pattern), `constants ${prefix}…`);
  const { text } = headers.find(({ name }) => name === header);
  const values = [...text.matchAll(new RegExp(pattern, 'g'))];
  return { header, values: values.map(([, name, value]) => [named(name, prefix), Number(value)]) };
}

const scalars = {
  ...{ char: 1, 'std::uint8_t': 1, 'std::uint16_t': 2 },
  ...{ 'std::uint32_t': 4, 'std::int32_t': 4, 'std::uint64_t': 8 },
};
const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

/** The offsets of a struct's members and its size, by the rules that all Linux ABIs share. */
function structure(name) {
  const { header, captured } = only(new RegExp(`struct ${name} \\{([^}]*)\\};`), `struct ${name}`);
  const values = [];
  let at = 0;
  let alignment = 1;
  for (const line of captured[0].split(';')) {
    if (line.trim() === '') continue;
    const member = /^\s*([\w:]+) (\w+)(?:\[(\d+)\])?\s*$/.exec(line);
    if (member === null) fail(`struct ${name}: cannot read "${line.trim()}"`);
    const [, type, field, count = '1'] = member;
    const inner = scalars[type] === undefined ? structure(type) : undefined;
    const size = inner?.size ?? scalars[type];
    const step = inner?.alignment ?? size;
    at = Math.ceil(at / step) * step;
    alignment = Math.max(alignment, step);
    if (field !== 'reserved') values.push([camel(field), at]);
    at += size * Number(count);
  }
  const size = Math.ceil(at / alignment) * alignment;
  const asserted = constantOf(
    `static_assert\\(sizeof\\(${name}\\) == (\\d+)\\)`,
    `size of ${name}`,
  );
  if (size !== asserted) fail(`struct ${name}: ${size} bytes, and C++ says ${asserted}`);
  return { header, values, size, alignment };
}
function constantOf(pattern, what) {
  return Number(only(new RegExp(pattern), what).captured[0]);
}

const arrays = {
  'std::uint8_t': ['Uint8Array', 1],
  'std::uint16_t': ['Uint16Array', 2],
  'std::uint32_t': ['Uint32Array', 4],
  'std::int32_t': ['Int32Array', 4],
  'std::uint64_t': ['BigUint64Array', 8],
};

const object = (name, doc, values, show = String) => [
  `/** ${doc} */`,
  `export const ${name} = {`,
  ...values.map(([key, value]) => `  ${key}: ${show(value)},`),
  '} as const;',
  '',
];
const hex = (value) => `0x${value.toString(16)}`;
const banner = (from) => [`// Generated by scripts/gen-columns.mjs from ${from}. Do not edit.`, ''];

function columnSchema() {
  let prefix = 0;
  const columns = entries('NF_COLUMNS', 'COLUMN').map(([name, type, group, when]) => {
    if (arrays[type] === undefined) fail(`column ${name}: ${type} has no typed array`);
    const [array, size] = arrays[type];
    const column = { name, array, size, group: Number(group), prefix };
    prefix += size;
    return { ...column, attribute: /^has::(\w+)$/.exec(when)?.[1] };
  });
  const attributes = entries('NF_PRESENCE', 'PRESENCE').map(([name], bit) => ({
    name,
    column: bit < 32 ? 'presence' : 'presenceMore',
    bit: 2 ** (bit % 32),
  }));
  const word = (column) =>
    attributes.filter((one) => one.column === column).map(({ name, bit }) => [name, bit]);
  const numbered = (list, item) => entries(list, item).map(([name], i) => [name, i]);
  const where = (attribute) => {
    const found = attributes.find(({ name }) => name === attribute);
    if (found === undefined) fail(`attribute ${attribute} of a column is not in NF_PRESENCE`);
    return found;
  };
  return [
    ...banner('row.h and schema/ of native/core/conntrack'),
    '/** Bytes of a row in an arena. */',
    `export const rowBytes = ${prefix};`,
    '',
    '/** Bytes of a row in the memory of a lookup: the columns, then four addresses. */',
    `export const lookupRowBytes = ${prefix + 4 * 16};`,
    '',
    '/** A column begins at `capacity * prefix` bytes of its arena. */',
    'export const columnLayout = {',
    ...columns.map(
      (c) =>
        `  ${c.name}: { array: ${c.array}, size: ${c.size}, prefix: ${c.prefix}, group: ${c.group} },`,
    ),
    '} as const;',
    '',
    '/** The typed array of every column. */',
    'export interface ColumnArrays {',
    ...columns.map((c) => `  readonly ${c.name}: ${c.array};`),
    '}',
    '',
    ...object(
      'has',
      'Bits of the column `presence`: the kernel sent that attribute.',
      word('presence'),
      hex,
    ),
    ...object('hasMore', 'Bits of the column `presenceMore`, likewise.', word('presenceMore'), hex),
    '/** The attribute that says that a row has a value in a column: a bit of a column of presence. */',
    'export const attributeOf = {',
    ...columns
      .filter(({ attribute }) => attribute !== undefined)
      .map(({ name, attribute }) => {
        const { column, bit } = where(attribute);
        return `  ${name}: { column: '${column}', bit: ${hex(bit)} },`;
      }),
    '} as const;',
    '',
    ...object('filterOp', 'Operations of a packed filter.', numbered('NF_FILTER_OPS', 'FILTER_OP')),
    ...object('field', 'Fields of a packed flow.', numbered('NF_FIELDS', 'FIELD')),
  ];
}

/** An enum as an object. With `names` also a list of its names by number. */
function enumLines(name, as, { prefix, count, names, doc }) {
  const { header, values } = enumeration(name, prefix, count);
  const lines = object(as, `${doc} \`${name}\` of ${header}.`, values);
  if (names === undefined) return lines;
  if (values.some(([, number], i) => number !== i)) fail(`enum ${name} is not numbered from 0`);
  const list = values.map(([value]) => `'${value}'`).join(', ');
  return [
    ...lines,
    `/** The names of \`${as}\` by their numbers. */`,
    `export const ${names} = [${list}] as const;`,
    '',
  ];
}

function structLines(name, as, doc) {
  const { header, values, size } = structure(name);
  return object(as, `${doc} \`${name}\` of ${header}.`, [...values, ['bytes', size]]);
}

function constantLines(prefix, as, doc) {
  const { header, values } = constants(prefix);
  return object(as, `${doc} \`${prefix}…\` of ${header}.`, values);
}

const single = (name, as, doc) => [`/** ${doc} */`, `export const ${as} = ${constant(name)};`, ''];

function numbers() {
  return [
    ...banner('the headers of native/core'),
    ...enumLines('Side', 'side', {
      count: 'kSides',
      names: 'sideNames',
      doc: 'Sides of a flow, as their columns are called:',
    }),
    ...enumLines('Direction', 'direction', { names: 'directionNames', doc: 'Directions:' }),
    ...enumLines('List', 'list', { names: 'listNames', doc: 'What a dump lists:' }),
    ...enumLines('KernelFilterUse', 'kernelFilterUse', {
      prefix: 'kUse',
      doc: 'Bits: what the kernel applied of the filter of a dump;',
    }),
    ...single('kMostSockets', 'mostSockets', 'The most sockets of one dump.'),
    ...single('kAbsent', 'absent', 'The row of a tuple that no flow has.'),
    ...enumLines('NatMatch', 'natMatch', { doc: 'Operand of `filterOp.nat`:' }),
    ...enumLines('WriteVerb', 'writeVerb', { doc: 'What a batch of packed flows is for:' }),
    ...single('kWindowScale', 'windowScale', 'IP_CT_TCP_FLAG_WINDOW_SCALE (nf_conntrack_tcp.h).'),
    ...structLines('PackedTuple', 'packedTuple', 'Offsets of a packed tuple, and its size:'),
    ...constantLines('kTuple', 'tupleFlag', 'Bits of `packedTuple.flags`:'),
    ...constantLines('kRow', 'rowFlag', 'Bits that `ctPackRows` gives of each row:'),
    ...structLines(
      'PackedExpectation',
      'packedExpectation',
      'Offsets of a packed expectation, and its size:',
    ),
    ...constantLines('kExpect', 'expectGiven', 'Bits of `packedExpectation.given`:'),
    ...enumLines('EventKind', 'eventKind', { prefix: 'kEvent', doc: 'Bits: wanted events;' }),
    ...enumLines('EventType', 'eventType', {
      names: 'eventTypeNames',
      doc: 'Values of the column `type`:',
    }),
    ...enumLines('Own', 'own', { doc: 'Values of the column `own`:' }),
    ...enumLines('OwnWanted', 'ownWanted', { doc: 'Which events a stream wants:' }),
    ...enumLines('KernelFilterState', 'kernelFilterState', {
      doc: 'What the kernel does of the filter of events:',
    }),
    ...structLines(
      'MessageHeader',
      'messageHeader',
      'Offsets of what comes before a message, and its size:',
    ),
    ...single(
      'kNoFile',
      'noNamespaceFile',
      'In place of the id of a namespace: its file has gone.',
    ),
    ...enumLines('CommitKind', 'commitKind', { doc: 'How the commit of a legacy table ended:' }),
    ...enumLines('Presence', 'chainPresence', { doc: 'What a table holds of a chain:' }),
    ...enumLines('Reading', 'nftReading', { doc: 'How much of a rule its entry says:' }),
    ...structLines('NftHeader', 'nftHeader', 'Offsets of what nf_tables adds to an image:'),
    ...structLines('NftRule', 'nftRule', 'Offsets of what it adds for each rule:'),
    ...structLines('NftForeignChain', 'nftForeignChain', 'Offsets of a chain of others:'),
    ...structLines('NftEvent', 'nftEvent', 'Offsets of a message about a change:'),
    ...enumLines('NftEventKind', 'nftEventKind', { doc: 'What a message about a change is:' }),
    ...constantLines('kNftEvent', 'nftEventFlag', 'Bits of `nftEvent.flags`:'),
    ...single('kScriptMagic', 'scriptMagic', 'The first bytes of a script of a transaction.'),
    ...structLines('ScriptHeader', 'scriptHeader', 'Offsets of the head of a script:'),
    ...structLines('ScriptStep', 'scriptStep', 'Offsets of a step of a script:'),
    ...enumLines('StepKind', 'stepKind', { doc: 'What a step does:' }),
    ...enumLines('StepPlace', 'stepPlace', { doc: 'Where a step puts a rule:' }),
    ...enumLines('TransactionEnd', 'transactionEnd', { doc: 'How a transaction ended:' }),
  ];
}

const check = process.argv.includes('--check');
for (const [path, lines] of [
  ['src/conntrack/columns/schema.ts', columnSchema()],
  ['src/native/numbers.ts', numbers()],
]) {
  const text = lines.join('\n');
  if (!check) {
    writeFileSync(root + path, text);
  } else if (readFileSync(root + path, 'utf8') !== text) {
    process.stdout.write(`${path} is not what the headers say: run scripts/gen-columns.mjs\n`);
    process.exitCode = 1;
  }
}
