// The shared object to preload into a child: test/lifetime/child/shim.c and the parts of faults.c.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from './process.js';

const folder = new URL('../lifetime/child/', import.meta.url);
// With exceptions, because those of operator new pass through this code.
const flags = ['-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-fexceptions'];

const inFolder = (name: string) => fileURLToPath(new URL(name, folder));
const headers = ['shim.h', 'faults.h'].map(inFolder);
const sources = ['shim.c', 'faults.c', 'fault-calls.c', 'fault-answers.c'].map(inFolder);

/** The path of the object. It is built when its sources have changed. */
export function shim(): string {
  const hash = createHash('sha256').update(flags.join());
  for (const file of [...headers, ...sources]) hash.update(readFileSync(file));
  const built = fileURLToPath(new URL('../../build-programs', import.meta.url));
  const target = `${built}/shim-${hash.digest('hex').slice(0, 16)}.so`;
  if (existsSync(target)) return target;
  mkdirSync(built, { recursive: true });
  const scratch = `${target}.${process.pid}`;
  run(['cc', ...flags, '-shared', '-fPIC', '-pthread', '-o', scratch, ...sources]);
  renameSync(scratch, target);
  return target;
}
