// iptables: a table of 50,000 rules read with every rule typed, against iptables-legacy-save; 300 rules
// added in one edit to a table of 5,000, against as many runs of iptables-legacy; 500 rules restored, against
// iptables-legacy-restore in a child; tables saved as text, against iptables-legacy-save.
import { type Iptables, iptables } from '../src/index.js';
import { run } from '../test/support/process.js';
import type { Bench, BenchContext } from './lib/bench.js';
import { contest, timed } from './lib/contest.js';
import { installed, runToNull, runWithInput } from './lib/peers.js';
import { loadRules, tableText } from './lib/ruleset.js';

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

async function reading(context: BenchContext): Promise<void> {
  const size = 50_000;
  context.say(`a table of ${size.toLocaleString('en-US')} rules`);
  loadRules(size);
  const save = ['iptables-legacy-save', '-t', 'filter'];
  const values = await contest(
    {
      ours: () =>
        timed(async () => {
          const rules = await readTyped(iptables);
          if (rules !== size) throw new Error(`read ${rules} of ${size} rules`);
        }),
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
        name: 'iptables-legacy-save',
        command: `${save.join(' ')} > /dev/null`,
        unit: 'ns',
        ...values.save,
      },
    ],
    compare: { a: 'read()', b: 'iptables-legacy-save' },
    bar: { text: '≤ 0.65 × iptables-legacy-save', kind: 'at most', limit: 0.65, size },
  });
}

async function editing(context: BenchContext): Promise<void> {
  const size = 5000;
  const edits = 300;
  context.say(`${edits} edits of a table of ${size.toLocaleString('en-US')} rules`);
  const rule = (i: number) => `-s 192.0.2.${i % 256} -p tcp -m tcp --dport ${1000 + i} -j DROP`;
  const script = Array.from(
    { length: edits },
    (_, i) => `iptables-legacy -w -A FORWARD ${rule(i)}`,
  );
  const count = async () => {
    const table = await iptables.read('filter');
    let rules = 0;
    for (const chain of table.chains.values()) rules += chain.length;
    if (rules !== size + edits) throw new Error(`${rules} rules instead of ${size + edits}`);
  };
  const values = await contest(
    {
      ours: async () => {
        const taken = await timed(() =>
          iptables.edit('filter', (table) => {
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
    // V8 has compiled most of the code after a few rounds. A process that edits rules runs for months.
    { rounds: Math.max(context.rounds, 11), warmUp: 4, before: () => loadRules(size) },
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
        name: 'iptables-legacy -A',
        command: `sh: ${edits} × iptables-legacy -w -A FORWARD …`,
        unit: 'ns',
        ...values.each,
      },
    ],
    compare: { a: 'one edit()', b: 'iptables-legacy -A', inverse: true },
    bar: { text: `≥ 120 × faster than ${edits} × iptables -A`, kind: 'at least', limit: 120, size },
  });
}

async function restoring(context: BenchContext): Promise<void> {
  const size = 500;
  context.say(`a restore of ${size} rules`);
  const text = tableText(size);
  const restore = ['iptables-legacy-restore', '-w'];
  const values = await contest(
    {
      ours: () => timed(() => iptables.restore(text)),
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
        name: 'iptables-legacy-restore',
        command: `spawn: ${restore.join(' ')} < text`,
        unit: 'ns',
        values: values.child.values,
        cpu: [],
      },
    ],
    compare: { a: 'restore()', b: 'iptables-legacy-restore' },
    bar: { text: '≤ 1.2 × spawning iptables-legacy-restore', kind: 'at most', limit: 1.2, size },
  });
}

async function saving(context: BenchContext): Promise<void> {
  for (const size of [5000, 50_000]) {
    context.say(`a table of ${size.toLocaleString('en-US')} rules as text`);
    loadRules(size);
    const save = ['iptables-legacy-save', '-t', 'filter'];
    const values = await contest(
      {
        ours: () =>
          timed(async () => {
            const text = await iptables.save({ tables: ['filter'] });
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
          name: 'iptables-legacy-save',
          command: `${save.join(' ')} > /dev/null`,
          unit: 'ns',
          ...values.save,
        },
      ],
      compare: { a: 'save()', b: 'iptables-legacy-save' },
    });
  }
}

export const bench: Bench = {
  name: 'iptables',
  about: 'read of 50,000 rules, 300 edits in one, restore of 500, save',
  async run(context) {
    if (!installed('iptables-legacy-save')) throw new Error('iptables-legacy is not installed');
    await reading(context);
    await editing(context);
    await restoring(context);
    await saving(context);
  },
};
