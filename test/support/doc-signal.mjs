// Loaded before a program of the documentation that a signal ends. It tells the test, by a file in the working
// directory, when the program has begun to catch the signal.
import { writeFileSync } from 'node:fs';

process.on('newListener', (name) => {
  if (name === 'SIGTERM') queueMicrotask(() => writeFileSync('catches-SIGTERM', ''));
});
