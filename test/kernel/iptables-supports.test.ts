// Which matches and targets the kernel has: against what the kernel tells another program, and against the rules that
// iptables can append.
// Backends: legacy, nft
// Limit: 300 s (iptables is started for every extension)
import { spawnSync } from 'node:child_process';
import { extensions } from '../../src/iptables/extensions/index.js';
import type { Iptables } from '../../src/iptables/iptables.js';
import { parseRule } from '../../src/iptables/rule/text.js';
import { assert, suite, throws } from '../support/harness.js';
import {
  backend,
  type Family,
  families,
  openTables,
  reset,
  restoreCommand,
} from '../support/iptables-tables.js';
import { run } from '../support/process.js';
import { python } from '../support/python.js';
import { ruleCorpus } from '../support/rule-corpus.js';

const test = suite('extensions that the kernel has');

type Kind = 'match' | 'target';
interface Extension {
  readonly kind: Kind;
  readonly name: string;
}

/** Every extension of the package, each once. */
function known(family: Family): Extension[] {
  const found = new Map<string, Extension>();
  for (const { kind, name, families } of extensions) {
    if (families.includes(family)) found.set(`${kind} ${name}`, { kind, name });
  }
  return [...found.values()];
}

const madeUp: Extension[] = [
  ...['nonsense', 'tcp2', 'a/b', '../../x', 'x y', '%s%n', 'ä', 'jump', 'ACCEPT', 'DROP'].map(
    (name) => ({ kind: 'match', name }) as const,
  ),
  ...['NONSENSE', 'ACCEPT2', 'tcp', 'conntrack', 'standard', 'n'.repeat(28)].map(
    (name) => ({ kind: 'target', name }) as const,
  ),
];

/** The highest revision that IPT_SO_GET_REVISION_MATCH and its like have; -1 without any. */
const asking = `
import ctypes, json, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
six, names = json.load(sys.stdin)
level, match = (41, 68) if six else (0, 66)
fd = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, 255)
answers = []
for kind, name in names:
    best = -1
    for revision in range(8):
        data = ctypes.create_string_buffer(struct.pack('29sB', name.encode(), revision), 30)
        size = ctypes.c_uint32(30)
        option = match + (kind == 'target')
        if libc.getsockopt(fd.fileno(), level, option, data, ctypes.byref(size)) == 0:
            best = revision
    answers.append(best)
print(json.dumps(answers))
`;

for (const family of families) {
  test(`the highest revision is that of the kernel (${family})`, async () => {
    await using ipt = openTables({ family });
    const all = [...known(family), ...madeUp];
    const input = JSON.stringify([family === 'ipv6', all.map(({ kind, name }) => [kind, name])]);
    const wanted = JSON.parse(run([python, '-c', asking], { input })) as number[];
    const found = await Promise.all(all.map(({ kind, name }) => ipt.supports(kind, name)));
    const tell = (answers: readonly (number | boolean)[]) =>
      all.map(({ kind, name }, index) => `${kind} ${name}: ${answers[index]}`);
    const expected: (number | boolean)[] = wanted.map((best) => (best < 0 ? false : best));
    // nf_tables traces by itself.
    const trace = all.findIndex(({ name }) => name === 'TRACE');
    if (backend === 'nft' && expected[trace] === false) expected[trace] = true;
    assert.equal(tell(found), tell(expected));
    assert.ok(expected.includes(0) && expected.includes(3) && expected.includes(false));
  });
}

/** Rules with extensions that have few in the tests, or under another name. */
const more: Readonly<Record<string, string>> = {
  'match bpf': '-m bpf --bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0"',
  'match u32': '-m u32 --u32 "0x0&0xff=0x1"',
  'target NOTRACK': '-j NOTRACK',
};

/** Rules of the tests with an extension, the shortest first. */
function samples(family: Family, { kind, name }: Extension, corpus: readonly string[]): string[] {
  const word = new RegExp(`(?:^|\\s)-${kind === 'match' ? 'm' : 'j'} ${name}(?:\\s|$)`);
  const found = corpus.filter((text) => {
    if (!word.test(text)) return false;
    const { matches = [], target } = parseRule(text, { family });
    return kind === 'target' ? target?.name === name : matches.some((each) => each.name === name);
  });
  const first = more[`${kind} ${name}`];
  const shortest = found.sort((a, b) => a.length - b.length).slice(0, 12);
  return first === undefined ? shortest : [first, ...shortest];
}

/** Whether iptables appends one of the rules to a chain of some table. */
function appends(family: Family, rules: readonly string[]): boolean {
  return rules.some((rule) =>
    ['mangle', 'filter', 'raw', 'nat', 'security'].some((table) => {
      const input = `*${table}\n:own - [0:0]\n-A own ${rule}\nCOMMIT\n`;
      return spawnSync(restoreCommand(family), ['--noflush'], { input }).status === 0;
    }),
  );
}

/** Their rules need an object that is not there, or a security module. */
const needMore = new Set([
  ...['match nfacct', 'match set', 'match rateest', 'target SET', 'target SECMARK'],
]);

for (const family of families) {
  test(`iptables appends a rule with an extension exactly if it is supported (${family})`, async () => {
    reset();
    await using ipt: Iptables = openTables({ family });
    const corpus = ruleCorpus(family);
    const wrong: string[] = [];
    for (const each of known(family)) {
      const { kind, name } = each;
      const answer = (await ipt.supports(kind, name)) !== false;
      const rules = samples(family, each, corpus);
      const appended = appends(family, rules);
      if (needMore.has(`${kind} ${name}`) && answer && !appended) continue;
      if (appended !== answer) wrong.push(`${kind} ${name}: ${answer}; ${rules[0]}`);
    }
    assert.equal(wrong, []);
    reset();
  });
}

test('targets that are no extensions, and other names of extensions', async () => {
  await using ipt = openTables();
  for (const name of ['ACCEPT', 'DROP', 'RETURN', 'QUEUE', 'jump', 'goto']) {
    assert.is(await ipt.supports('target', name), true, name);
  }
  await using six = openTables({ family: 'ipv6' });
  assert.is(await six.supports('match', 'icmpv6'), await six.supports('match', 'icmp6'));
  assert.is(await six.supports('match', 'icmpv6'), 0);
  assert.is(await ipt.supports('match', 'icmp6'), false);
});

test('what no extension can be called is refused', async () => {
  await using ipt = openTables();
  const ask = (kind: unknown, name: unknown) => ipt.supports(kind as Kind, name as string);
  await throws(RangeError, /^kind: /, () => ask('chain', 'tcp'));
  await throws(TypeError, /^kind: /, () => ask(undefined, 'tcp'));
  await throws(TypeError, /^name: /, () => ask('match', 7));
  await throws(RangeError, /^name: /, () => ask('match', ''));
  await throws(RangeError, /^name: /, () => ask('match', 'a\0b'));
  await throws(RangeError, /^name: .*28 bytes/, () => ask('match', 'n'.repeat(29)));
  await throws(RangeError, /^name: .*28 bytes/, () => ask('match', 'ä'.repeat(15)));
});

test('after close() it is refused', async () => {
  const ipt = openTables();
  await ipt.close();
  const error = await throws(Error, /closed/, () => ipt.supports('match', 'tcp'));
  assert.is(error.name, 'ClosedError');
});

test.run();
