// Plain node children that use the compiled package, for tests of the end of processes and workers.
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
  /** A different node program. */
  node?: string;
  /** The time after which it is killed and reported as a child without an end. See `limitMs`. */
  limitMs?: number;
}

/** Less than the time limit of a test file, so that the test itself reports a child that hangs, with its output. */
const limitMs = 0.6 * Number(process.env.TEST_LIMIT_MS ?? 600_000);

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

/** Runs it to its end, good or bad. */
export async function runNode(
  script: string,
  args: readonly string[] = [],
  options: NodeOptions = {},
): Promise<NodeEnding> {
  const child = startNode(script, args, options);
  child.end();
  const limit = options.limitMs ?? limitMs;
  let hangs = false;
  const timer = setTimeout(() => {
    hangs = true;
    child.signal('SIGKILL');
  }, limit);
  const { code, signal } = await child.exited;
  clearTimeout(timer);
  const stderr = hangs ? `${child.stderr}\nno end within ${limit / 1000} s` : child.stderr;
  return { code, signal, lines: child.lines, stderr };
}

/** An ending as text, for the message of an assertion. */
export function describe(ending: NodeEnding): string {
  return `${ending.signal ?? `exit ${ending.code}`}\n${ending.lines.join('\n')}\n${ending.stderr}`;
}
