// Plain node children that use the compiled package, for tests about how processes and workers end.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { compiledPackage } from './compiled.js';
import { Child } from './process.js';

const scripts = fileURLToPath(new URL('../lifetime/child', import.meta.url));

export interface NodeEnding {
  code: number | null;
  signal: NodeJS.Signals | null;
  lines: readonly string[];
  stderr: string;
}

export interface NodeOptions {
  /** Node's own flags. */
  flags?: readonly string[];
  env?: Record<string, string>;
  /** Words before `node`: `prlimit` … */
  prefix?: readonly string[];
  /** Another node. */
  node?: string;
}

/** Starts `test/lifetime/child/<script>` with the package's entry in the environment. */
export function startNode(script: string, args: readonly string[] = [], options: NodeOptions = {}) {
  const entry = join(compiledPackage(), 'dist/index.js');
  return Child.start(
    [
      ...(options.prefix ?? []),
      options.node ?? process.execPath,
      ...(options.flags ?? []),
      join(scripts, script),
      ...args,
    ],
    { PACKAGE: pathToFileURL(entry).href, ...options.env },
  );
}

/** Runs it to its end, whatever that is. */
export async function runNode(
  script: string,
  args: readonly string[] = [],
  options: NodeOptions = {},
): Promise<NodeEnding> {
  const child = startNode(script, args, options);
  child.end();
  const { code, signal } = await child.exited;
  return { code, signal, lines: child.lines, stderr: child.stderr };
}

/** What an ending says, for an assertion's message. */
export function describe(ending: NodeEnding): string {
  return `${ending.signal ?? `exit ${ending.code}`}\n${ending.lines.join('\n')}\n${ending.stderr}`;
}
