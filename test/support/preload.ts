// The shared object of test/lifetime/child/shim.c and faults.c, to preload into a child.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from './process.js';

const folder = new URL('../lifetime/child/', import.meta.url);
// With exceptions: those of operator new pass through it.
const flags = ['-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-fexceptions'];

/** Its path; built when its sources have changed. */
export function shim(): string {
  const [header, ...sources] = ['shim.h', 'shim.c', 'faults.c'].map((name) =>
    fileURLToPath(new URL(name, folder)),
  );
  const hash = createHash('sha256').update(flags.join());
  for (const source of [header!, ...sources]) hash.update(readFileSync(source));
  const built = fileURLToPath(new URL('../../build-programs', import.meta.url));
  const target = `${built}/shim-${hash.digest('hex').slice(0, 16)}.so`;
  if (existsSync(target)) return target;
  mkdirSync(built, { recursive: true });
  const scratch = `${target}.${process.pid}`;
  run(['cc', ...flags, '-shared', '-fPIC', '-pthread', '-o', scratch, ...sources]);
  renameSync(scratch, target);
  return target;
}
