// Imports the module that its argument names, in a process that has imported nothing else. Prints how long that
// took, which libraries of interest the process has afterwards, and how many threads were added.
import { readFileSync } from 'node:fs';

// The first use of the loader has a cost of its own (it reads files with the thread pool). It is not measured.
await import('data:text/javascript,export default 1');
await import('./nothing.mjs');
const threads = () =>
  Number(/^Threads:\s*(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
const before = threads();
const began = process.hrtime.bigint();
const module = await import(process.argv[2]);
const ns = Number(process.hrtime.bigint() - began);
const maps = readFileSync('/proc/self/maps', 'utf8');
const loaded = [
  ...new Set(maps.match(/[^/\s]*(?:\.node|netfilter|nfnetlink|iptc|libmnl)[^/\s]*/g)),
];
process.stdout.write(
  `${JSON.stringify({ ns, loaded, threads: threads() - before, exports: Object.keys(module).length })}\n`,
);
