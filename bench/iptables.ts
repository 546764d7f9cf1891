// iptables: reading a large table with every rule typed against iptables-legacy-save, and many edits in
// one commit against as many runs of iptables-legacy.
import { execFileSync } from 'node:child_process';
import { iptables } from '../src/index.js';
import type { Bench } from './lib/bench.js';
import { contest, type Turn, timed } from './lib/contest.js';
import { installed, runToNull } from './lib/peers.js';

const readRules = 50_000;
const editRules = 5_000;
const edits = 300;

/** Puts `count` rules into FORWARD. */
function fillTable(count: number): void {
  const lines = ['*filter', ':INPUT ACCEPT', ':FORWARD ACCEPT', ':OUTPUT ACCEPT'];
  for (let i = 0; i < count; i++) {
    lines.push(`-A FORWARD -s 10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255} -j ACCEPT`);
  }
  execFileSync('iptables-legacy-restore', { input: [...lines, 'COMMIT', ''].join('\n') });
}

const ours = 'iptables.read()';
const theirs = 'iptables-legacy-save';

async function read(context: Parameters<Bench['run']>[0]): Promise<void> {
  fillTable(readRules);
  const turns: Record<string, Turn> = {
    [ours]: () =>
      timed(async () => {
        const table = await iptables.read('filter');
        let typed = 0;
        for (const rule of table.chain('FORWARD').rules) {
          if (rule.src !== undefined && rule.target?.name === 'ACCEPT') typed++;
        }
        if (typed !== readRules) throw new Error(`${typed} of ${readRules} rules typed`);
      }),
    [theirs]: () => runToNull(['iptables-legacy-save', '-t', 'filter']),
  };
  const values = await contest(turns, { rounds: context.rounds });
  context.report({
    what: 'a table read, every rule typed',
    size: readRules,
    contestants: [
      { name: ours, command: "await iptables.read('filter')", unit: 'ns', ...values[ours]! },
      { name: theirs, command: 'iptables-legacy-save > /dev/null', unit: 'ns', ...values[theirs]! },
    ],
    compare: { a: ours, b: theirs },
    bar: { text: '≤ 0.7 × iptables-legacy-save', kind: 'at most', limit: 0.7 },
  });
}

const oneEdit = 'one edit()';
const manyRuns = 'iptables-legacy -A, one by one';

async function edit(context: Parameters<Bench['run']>[0]): Promise<void> {
  const rule = (i: number) => `-s 172.16.${i >> 8}.${i & 255} -j ACCEPT`;
  const turns: Record<string, Turn> = {
    [oneEdit]: () =>
      timed(() =>
        iptables.edit('filter', (table) => {
          const chain = table.chain('FORWARD');
          for (let i = 0; i < edits; i++) chain.append(rule(i));
        }),
      ),
    [manyRuns]: () =>
      timed(() => {
        for (let i = 0; i < edits; i++) {
          execFileSync('iptables-legacy', ['-A', 'FORWARD', ...rule(i).split(' ')]);
        }
      }),
  };
  const values = await contest(turns, {
    rounds: context.rounds,
    before: () => fillTable(editRules),
  });
  context.report({
    what: `${edits} rules appended`,
    size: editRules,
    contestants: [
      {
        name: oneEdit,
        command: `${edits} × append in one edit()`,
        unit: 'ns',
        ...values[oneEdit]!,
      },
      {
        name: manyRuns,
        command: `${edits} × iptables-legacy -A`,
        unit: 'ns',
        ...values[manyRuns]!,
      },
    ],
    compare: { a: oneEdit, b: manyRuns, inverse: true },
    bar: { text: '≥ 100 × faster', kind: 'at least', limit: 100 },
  });
}

export const bench: Bench = {
  name: 'iptables',
  about: 'iptables: read and edit',
  async run(context) {
    if (!installed('iptables-legacy-save')) throw new Error('iptables-legacy is not installed');
    await read(context);
    await edit(context);
    await iptables.close();
  },
};
