// Builds targets of the developer build (CMakeLists.txt) for tests, in build-cmake/. It builds only changed files
// again.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './process.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Configures build-cmake/<name> with `options`, builds `targets` and returns the folder. */
export function cmakeBuild(
  name: string,
  options: readonly string[],
  targets: readonly string[],
): string {
  const folder = join(root, 'build-cmake', name);
  run(['cmake', '-S', root, '-B', folder, ...options]);
  const parallel = String(availableParallelism());
  run(['cmake', '--build', folder, '--parallel', parallel, '--target', ...targets]);
  return folder;
}
