// Builds the package for the benches (in build-bench/dist, so that dist stays as it is), and says how to run a
// process with it.
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../test/support/process.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** The entry of the built package. */
export const builtEntry = join(root, 'build-bench/dist/index.js');
/** The addon that it loads. */
const addonPath = join(root, 'build/Release/conntrack.node');

function newest(folder: string): number {
  return Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs),
  );
}

/** Builds when a source is newer than the last build. */
export function buildPackage(): void {
  if (!existsSync(addonPath)) throw new Error('the addon is not built: npm run build:native');
  if (newest(join(root, 'native')) > statSync(addonPath).mtimeMs) {
    process.stderr.write('bench: native sources are newer than the addon: npm run build:native\n');
  }
  const bundle = join(root, 'scripts/bundle.mjs');
  const changed = Math.max(newest(join(root, 'src')), statSync(bundle).mtimeMs);
  if (existsSync(builtEntry) && statSync(builtEntry).mtimeMs > changed) return;
  const folder = join(root, 'build-bench/dist');
  rmSync(folder, { recursive: true, force: true });
  run([process.execPath, bundle, folder]);
}

const hooks = new URL('./dist-hooks.mjs', import.meta.url).href;
const register = `import { register } from 'node:module'; register(${JSON.stringify(hooks)});`;

/** The words that run a TypeScript file of the benches with the built package. */
export function nodeArguments(...flags: string[]): string[] {
  const hook = `data:text/javascript,${encodeURIComponent(register)}`;
  return [process.execPath, '--expose-gc', ...flags, '--import', 'tsx', '--import', hook];
}

export const builtEnvironment = { CONNTRACK_ADDON: addonPath };
