// Loaded before a program of the documentation in Bun or Deno, which print values in ways of their own: the program
// prints what it would print in Node.
import { format } from 'node:util';
import './doc-signal.mjs';

console.log = (...values) => {
  process.stdout.write(`${format(...values)}\n`);
};
