// npm run profile [work…]: shows where the time of each kind of work goes. Each runs for some seconds under
// perf(1), in its own namespaces. The terminal shows which libraries and functions cost most. The stacks go
// to build-bench/profiles, for a viewer of flame graphs (CONTRIBUTING.md).
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { conntrack } from '../src/index.js';
import { withGlobalLock } from '../test/support/global-lock.js';
import { Child, run } from '../test/support/process.js';
import { enterSandbox } from '../test/support/sandbox.js';
import { buildPackage } from './lib/built.js';
import { Contestant } from './lib/contestant.js';
import { loadRules } from './lib/ruleset.js';
import { fillTable } from './lib/table.js';

const seconds = 6;
const flows = 200_000;
const titles: Record<string, string> = {
  dump: `dump() of ${flows.toLocaleString('en-US')} flows on one socket, again and again`,
  'dump-parallel': `dump() of ${flows.toLocaleString('en-US')} flows, parallel: 'auto'`,
  'dump-batches': `dumpBatches() of ${flows.toLocaleString('en-US')} flows`,
  'get-many': `getMany() of ${flows.toLocaleString('en-US')} tuples`,
  'create-many': `createMany() of ${flows.toLocaleString('en-US')} flows, and the flush before it`,
  'iptables-edit': 'one edit() of a table of 5,000 rules: 300 removed, 300 added',
  'iptables-read': "iptables.read('filter') of 50,000 rules, every match and target",
};

const { positionals } = parseArgs({ allowPositionals: true });
const wanted = positionals.length > 0 ? positionals : Object.keys(titles);
for (const name of wanted) {
  if (titles[name] === undefined) {
    process.stderr.write(`profile: no ${name}; there are: ${Object.keys(titles).join(', ')}\n`);
    process.exit(2);
  }
}
enterSandbox();
buildPackage();
const folder = fileURLToPath(new URL('../build-bench/profiles/', import.meta.url));
mkdirSync(folder, { recursive: true });
const data = `${folder}perf.data`;

/** How the samples are divided among the values of `fields`, the largest share first. */
function shares(fields: string): string {
  const shown = ['-F', `overhead,${fields}`, '--percent-limit', '0.5'];
  const report = ['perf', 'report', '-i', data, '--stdio', '--no-children', '-g', 'none', ...shown];
  // Without the comments of perf(1).
  return run(report)
    .split('\n')
    .filter((line) => /^ +\d/.test(line))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

for (const name of wanted) {
  await withGlobalLock(async () => {
    await conntrack.flush();
    if (name === 'iptables-read') loadRules(50_000, 'legacy');
    else if (name === 'iptables-edit') loadRules(5000, 'legacy');
    else fillTable(flows);
    await using contestant = await Contestant.start('profile', name);
    const target = ['-p', String(contestant.pid), '-o', data];
    const samples = ['-q', '-F', '2500', '-e', 'cpu-clock', '-g'];
    const perf = Child.start(['perf', 'record', ...samples, ...target]);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await contestant.ask(seconds * 1000);
    perf.signal('SIGINT');
    await perf.exited;
    const stacks = `${folder}${name}.perf.txt`;
    writeFileSync(stacks, run(['perf', 'script', '-i', data]));
    process.stdout.write(`${titles[name]}\n${shares('dso')}\n${shares('dso,sym')}\n${stacks}\n\n`);
    rmSync(data, { force: true });
  });
}
