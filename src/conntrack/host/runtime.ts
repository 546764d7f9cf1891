// The JavaScript runtime as support() reports it: which one it is, and what it keeps from the package. May not throw,
// and may not load the addon.
import { readFileSync } from 'node:fs';
import { isDenied } from '../../native/denied.js';

/** The JavaScript runtime of this process. */
export interface RuntimeSupport {
  /** Deno and Bun say of themselves that they are a Node: this is the runtime's own name. */
  readonly name: 'node' | 'bun' | 'deno';
  /** Its own version: `22.12.0`. */
  readonly version: string;
  /**
   * What it keeps from the package, one sentence each, with the option that gives it: permissions that Deno or
   * `node --permission` was started without. Empty where everything works.
   */
  readonly lacks: readonly string[];
}

/** What is tried, and what does not work if the runtime refuses it. */
const needs: readonly (readonly [attempt: () => unknown, lack: string])[] = [
  [
    () => process.env.CONNTRACK_ADDON,
    'the environment (deno run --allow-env): the addon does not load',
  ],
  [
    () => process.getBuiltinModule('node:os').release(),
    'facts about the system (deno run --allow-sys): the addon does not load, and no kernel release is known',
  ],
  [
    () => readFileSync('/proc/self/status'),
    'the files of /proc (deno run --allow-all, node --allow-fs-read=/proc): support() does not see privileges and settings, and namespaces() fails',
  ],
];

function isRefused(attempt: () => unknown): boolean {
  try {
    attempt();
    return false;
  } catch (error) {
    return isDenied(error);
  }
}

/** The runtime of this process. Never throws. */
export function runtimeSupport(): RuntimeSupport {
  const { bun, deno, node } = process.versions as Record<string, string | undefined>;
  const name = deno === undefined ? (bun === undefined ? 'node' : 'bun') : 'deno';
  return {
    name,
    version: deno ?? bun ?? node ?? '',
    lacks: needs.filter(([attempt]) => isRefused(attempt)).map(([, lack]) => lack),
  };
}
