// The contests of the two benches of iptables: this package against the tools of one backend. The tools are measured
// with their start, because their users wait for it too.
import type { Iptables } from '../../src/index.js';
import { run } from '../../test/support/process.js';
import type { BenchContext } from './bench.js';
import { contest, timed } from './contest.js';
import { runToNull, runWithInput } from './peers.js';
import { loadRules, tableText } from './ruleset.js';

/** A backend, and what its rules are compared with. */
export interface Side {
  readonly backend: 'legacy' | 'nft';
  readonly tables: Iptables;
}

/** Reads the table and every part of every rule; returns the number of rules. */
async function readTyped(tables: Iptables): Promise<number> {
  const table = await tables.read('filter');
  let rules = 0;
  let parts = 0;
  for (const chain of table.chains.values()) {
    for (const rule of chain.rules) {
      rules++;
      parts += rule.matches.length + (rule.target === undefined ? 0 : 1);
    }
  }
  if (parts < rules) throw new Error(`${parts} matches and targets in ${rules} rules`);
  return rules;
}

export async function reading(
  context: BenchContext,
  { backend, tables }: Side,
  size: number,
  limit: number | undefined,
): Promise<void> {
  context.say(`a table of ${size.toLocaleString('en-US')} rules`);
  loadRules(size, backend);
  const tool = `iptables-${backend}-save`;
  const save = [tool, '-t', 'filter'];
  const values = await contest(
    {
      ours: () =>
        timed(async () => {
          const rules = await readTyped(tables);
          if (rules !== size) throw new Error(`read ${rules} of ${size} rules`);
        }),
      bare: () => timed(async () => void (await tables.read('filter'))),
      save: () => runToNull(save),
    },
    { rounds: context.rounds, warmUp: 2 },
  );
  context.report({
    what: 'read, every rule typed; rules',
    size,
    contestants: [
      {
        name: 'read()',
        command: "await iptables.read('filter'), every rule's matches and target",
        unit: 'ns',
        ...values.ours,
      },
      {
        name: 'read() alone',
        command: "await iptables.read('filter'), no rule is looked at",
        unit: 'ns',
        ...values.bare,
      },
      {
        name: tool,
        command: `${save.join(' ')} > /dev/null`,
        unit: 'ns',
        ...values.save,
      },
    ],
    compare: { a: 'read()', b: tool },
    ...(limit !== undefined && {
      bar: { text: `≤ ${limit} × ${tool}`, kind: 'at most', limit, size },
    }),
  });
}

export async function editing(
  context: BenchContext,
  { backend, tables }: Side,
  limit: number,
): Promise<void> {
  const size = 5000;
  const edits = 300;
  context.say(`${edits} edits of a table of ${size.toLocaleString('en-US')} rules`);
  const rule = (i: number) => `-s 192.0.2.${i % 256} -p tcp -m tcp --dport ${1000 + i} -j DROP`;
  const script = Array.from(
    { length: edits },
    (_, i) => `iptables-${backend} -w -A FORWARD ${rule(i)}`,
  );
  const count = async () => {
    const table = await tables.read('filter');
    let rules = 0;
    for (const chain of table.chains.values()) rules += chain.length;
    if (rules !== size + edits) throw new Error(`${rules} rules instead of ${size + edits}`);
  };
  const values = await contest(
    {
      ours: async () => {
        const taken = await timed(() =>
          tables.edit('filter', (table) => {
            const chain = table.chain('FORWARD');
            for (let i = 0; i < edits; i++) chain.append(rule(i));
          }),
        );
        await count();
        return taken;
      },
      each: async () => {
        const taken = await timed(() => run(['sh', '-e'], { input: script.join('\n') }));
        await count();
        return taken.value;
      },
    },
    // V8 has compiled most of the code after a dozen rounds. A process that edits rules runs for months.
    { rounds: Math.max(context.rounds, 11), warmUp: 12, before: () => loadRules(size, backend) },
  );
  context.report({
    what: `${edits} rules added to a table; rules in it`,
    size,
    contestants: [
      {
        name: 'one edit()',
        command: "await iptables.edit('filter', (t) => … t.chain('FORWARD').append(rule))",
        unit: 'ns',
        ...values.ours,
      },
      {
        name: `iptables-${backend} -A`,
        command: `sh: ${edits} × iptables-${backend} -w -A FORWARD …`,
        unit: 'ns',
        ...values.each,
      },
    ],
    compare: { a: 'one edit()', b: `iptables-${backend} -A`, inverse: true },
    bar: {
      text: `≥ ${limit} × faster than ${edits} × iptables-${backend} -A`,
      kind: 'at least',
      limit,
      size,
    },
  });
}

/** Rules that must be there, and are. */
export async function ensuring(
  context: BenchContext,
  { backend, tables }: Side,
  limit: number,
): Promise<void> {
  const size = 5000;
  const count = 300;
  context.say(`${count} rules made sure of in ${size.toLocaleString('en-US')}`);
  const all = tableText(size)
    .split('\n')
    .filter((line) => line.startsWith('-A FORWARD '))
    .map((line) => line.slice('-A FORWARD '.length));
  const rules = all.filter((_, index) => index % Math.floor(all.length / count) === 0);
  const wanted = rules.slice(0, count);
  const script = wanted.map((rule) => `iptables-${backend} -w -C FORWARD ${rule}`);
  loadRules(size, backend);
  const ensure = async () => {
    const added = await tables.edit('filter', (t) => t.chain('FORWARD').ensure(wanted));
    if (added !== 0) throw new Error(`${added} rules were missing`);
  };
  // V8 has compiled most of the code after a dozen calls. The tool would take minutes for as many rounds.
  for (let call = 0; call < 12; call++) await ensure();
  const values = await contest(
    {
      ours: () => timed(ensure),
      read: () => timed(async () => void (await tables.read('filter'))),
      each: async () => {
        const taken = await timed(() => run(['sh', '-e'], { input: script.join('\n') }));
        return taken.value;
      },
    },
    { rounds: Math.min(context.rounds, 3), warmUp: 1 },
  );
  context.report({
    what: `${count} rules made sure of, all there; rules in the table`,
    size,
    contestants: [
      {
        name: 'ensure()',
        command: "await iptables.edit('filter', (t) => t.chain('FORWARD').ensure(rules))",
        unit: 'ns',
        ...values.ours,
      },
      { name: 'read()', command: "await iptables.read('filter')", unit: 'ns', ...values.read },
      {
        name: `iptables-${backend} -C`,
        command: `sh: ${count} × iptables-${backend} -w -C FORWARD …`,
        unit: 'ns',
        ...values.each,
      },
    ],
    compare: { a: 'ensure()', b: `iptables-${backend} -C`, inverse: true },
    bar: {
      text: `≥ ${limit} × faster than ${count} × iptables-${backend} -C`,
      kind: 'at least',
      limit,
      size,
    },
  });
}

export async function restoring(
  context: BenchContext,
  { backend, tables }: Side,
  limit: number,
): Promise<void> {
  const size = 500;
  context.say(`a restore of ${size} rules`);
  const text = tableText(size);
  const tool = `iptables-${backend}-restore`;
  const restore = [tool, '-w'];
  const values = await contest(
    {
      ours: () => timed(() => tables.restore(text)),
      child: () => runWithInput(restore, text),
    },
    // A warm process: V8 has compiled most of the code after some dozens of rounds.
    { rounds: Math.max(context.rounds, 11), warmUp: 40 },
  );
  context.report({
    what: 'restore of a table; rules',
    size,
    contestants: [
      { name: 'restore()', command: 'await iptables.restore(text)', unit: 'ns', ...values.ours },
      {
        name: tool,
        command: `spawn: ${restore.join(' ')} < text`,
        unit: 'ns',
        values: values.child.values,
        cpu: [],
      },
    ],
    compare: { a: 'restore()', b: tool },
    bar: { text: `≤ ${limit} × spawning ${tool}`, kind: 'at most', limit, size },
  });
}

export async function saving(
  context: BenchContext,
  { backend, tables }: Side,
  sizes: readonly number[],
): Promise<void> {
  for (const size of sizes) {
    context.say(`a table of ${size.toLocaleString('en-US')} rules as text`);
    loadRules(size, backend);
    const tool = `iptables-${backend}-save`;
    const save = [tool, '-t', 'filter'];
    const values = await contest(
      {
        ours: () =>
          timed(async () => {
            const text = await tables.save({ tables: ['filter'] });
            if (!text.includes('\nCOMMIT\n')) throw new Error('the text has no end');
          }),
        save: () => runToNull(save),
      },
      { rounds: context.rounds, warmUp: 3 },
    );
    context.report({
      what: 'save as text; rules',
      size,
      contestants: [
        { name: 'save()', command: 'await iptables.save()', unit: 'ns', ...values.ours },
        {
          name: tool,
          command: `${save.join(' ')} > /dev/null`,
          unit: 'ns',
          ...values.save,
        },
      ],
      compare: { a: 'save()', b: tool },
    });
  }
}

/** One rule of many: deleted by value, and appended. */
export async function single(context: BenchContext, { backend, tables }: Side): Promise<void> {
  const size = 10_000;
  context.say(`one rule of ${size.toLocaleString('en-US')}`);
  const rule = '-s 192.0.2.1 -p tcp -m tcp --dport 1000 -j DROP';
  const tool = `iptables-${backend}`;
  const add = () => run([tool, '-w', '-A', 'FORWARD', ...rule.split(' ')]);
  const remove = () => run([tool, '-w', '-D', 'FORWARD', ...rule.split(' ')]);
  loadRules(size, backend);
  const deleted = await contest(
    {
      ours: async () => {
        add();
        return timed(async () => {
          const was = await tables.edit('filter', (t) => t.chain('FORWARD').delete(rule));
          if (!was) throw new Error('the rule was not there');
        });
      },
      read: () => timed(async () => void (await tables.read('filter'))),
      each: async () => {
        add();
        return (await timed(async () => void remove())).value;
      },
    },
    { rounds: Math.max(context.rounds, 7), warmUp: 3 },
  );
  context.report({
    what: 'one rule deleted by value; rules',
    size,
    contestants: [
      { name: 'edit()', command: 't.chain().delete(rule)', unit: 'ns', ...deleted.ours },
      { name: 'read()', command: "await iptables.read('filter')", unit: 'ns', ...deleted.read },
      { name: `${tool} -D`, command: `${tool} -D FORWARD ${rule}`, unit: 'ns', ...deleted.each },
    ],
    compare: { a: 'edit()', b: `${tool} -D` },
    ...(backend === 'nft' && {
      bar: { text: `≤ 0.35 × ${tool} -D`, kind: 'at most', limit: 0.35, size },
    }),
  });
  const appended = await contest(
    {
      ours: async () => {
        const taken = await timed(async () => {
          await tables.edit('filter', (t) => void t.chain('FORWARD').append(rule));
        });
        remove();
        return taken;
      },
      read: () => timed(async () => void (await tables.read('filter'))),
      each: async () => {
        const taken = await timed(async () => void add());
        remove();
        return taken.value;
      },
    },
    { rounds: Math.max(context.rounds, 7), warmUp: 3 },
  );
  context.report({
    what: 'one rule appended; rules',
    size,
    contestants: [
      { name: 'edit()', command: 't.chain().append(rule)', unit: 'ns', ...appended.ours },
      { name: 'read()', command: "await iptables.read('filter')", unit: 'ns', ...appended.read },
      { name: `${tool} -A`, command: `${tool} -A FORWARD ${rule}`, unit: 'ns', ...appended.each },
    ],
    compare: { a: 'edit()', b: 'read()' },
  });
}
