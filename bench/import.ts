// What `import 'conntrack'` costs a process that does not use it yet: time, libraries, threads. Each turn
// imports the built package in a fresh process, without a TypeScript loader.
import { fileURLToPath } from 'node:url';
import { run } from '../test/support/process.js';
import type { Bench } from './lib/bench.js';
import { builtEntry } from './lib/built.js';
import { contest } from './lib/contest.js';
import { median } from './lib/result.js';

interface Imported {
  ns: number;
  loaded: string[];
  threads: number;
  exports: number;
}

export const bench: Bench = {
  name: 'import',
  about: 'the import of the package, without any use',
  async run(context) {
    const script = fileURLToPath(new URL('contestants/import.mjs', import.meta.url));
    const seen: Imported[] = [];
    const values = await contest(
      {
        ours: () => {
          const imported = JSON.parse(run([process.execPath, script, builtEntry])) as Imported;
          if (imported.exports === 0) throw new Error('nothing was imported');
          seen.push(imported);
          return imported.ns;
        },
      },
      { rounds: Math.max(context.rounds, 15) },
    );
    const contestants = [
      { name: 'import', command: "await import('conntrack')", unit: 'ns' as const, ...values.ours },
    ];
    context.report({
      what: 'time',
      contestants,
      measure: { name: 'import', unit: 'ns', value: median(values.ours.values) },
      bar: { text: '≤ 8 ms', kind: 'at most', limit: 8e6 },
    });
    const loaded = [...new Set(seen.flatMap((one) => one.loaded))];
    const threads = Math.max(...seen.map((one) => one.threads));
    context.report({
      what: 'libraries loaded and threads started',
      contestants: [
        {
          name: 'libraries',
          command: '/proc/self/maps',
          unit: 'count',
          values: seen.map((one) => one.loaded.length),
        },
        {
          name: 'threads',
          command: '/proc/self/status',
          unit: 'count',
          values: seen.map((one) => one.threads),
        },
      ],
      measure: { name: 'libraries and threads', unit: 'count', value: loaded.length + threads },
      bar: { text: 'none', kind: 'at most', limit: 0 },
      notes: loaded.length > 0 ? [`loaded: ${loaded.join(', ')}`] : [],
    });
  },
};
