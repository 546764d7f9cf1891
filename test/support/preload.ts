// Shared objects to preload into a child, built with the system's compiler when their sources have changed:
// test/lifetime/child/shim.c with the parts of faults.c, and others.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from './process.js';

const root = new URL('../../', import.meta.url);
// With exceptions, because those of operator new pass through this code.
const flags = ['-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-fexceptions'];

/** The path of the object of these sources. `folder` is that of all files, from the root of the project. */
export function sharedObject(
  name: string,
  folder: string,
  headers: readonly string[],
  sources: readonly string[],
): string {
  const inFolder = (file: string) => fileURLToPath(new URL(`${folder}/${file}`, root));
  const hash = createHash('sha256').update(flags.join());
  for (const file of [...headers, ...sources]) hash.update(readFileSync(inFolder(file)));
  const built = fileURLToPath(new URL('build-programs', root));
  const target = `${built}/${name}-${hash.digest('hex').slice(0, 16)}.so`;
  if (existsSync(target)) return target;
  mkdirSync(built, { recursive: true });
  const scratch = `${target}.${process.pid}`;
  run(['cc', ...flags, '-shared', '-fPIC', '-pthread', '-o', scratch, ...sources.map(inFolder)]);
  renameSync(scratch, target);
  return target;
}

/** The path of the object that makes calls fail and chooses rare moments. */
export function shim(): string {
  const sources = ['shim.c', 'faults.c', 'fault-calls.c', 'fault-answers.c'];
  return sharedObject('shim', 'test/lifetime/child', ['shim.h', 'faults.h'], sources);
}
