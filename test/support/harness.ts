// The only file that uses the test library. Tests call `suite(name)`, add cases, and call `run()`.
import { inspect } from 'node:util';
import { suite as uvuSuite } from 'uvu';
import * as assert from 'uvu/assert';

export { assert };

type Case = () => void | Promise<void>;

/** Adds a case. */
export type AddCase = (name: string, run: Case) => void;

export interface Suite extends AddCase {
  /** A case that cannot run here. It is counted as skipped, and the reason is printed. */
  skip(name: string, reason: string): void;
  /** Runs the case, or skips it if there is a `reason`. */
  when(reason: string | undefined, name: string, run: Case): void;
  before(hook: Case): void;
  after(hook: Case): void;
  run(): void;
}

/** Only tests with this text in their name run. test/run.ts sets it. */
const wantedName = process.env.TEST_NAME ?? '';

/** How long a process may live after its cases have ended and one has failed. */
const lastMs = 5000;

export function suite(name: string): Suite {
  const inner = uvuSuite(name);
  let failed = false;
  let chosen = 0;
  const isWanted = (title: string) => {
    const wanted = `[${name}] ${title}`.includes(wantedName);
    if (wanted) chosen++;
    return wanted;
  };
  // A failed case has closed nothing. Its open handles must not keep the process alive until the time limit.
  inner.after(() => {
    if (failed) setTimeout(() => process.exit(1), lastMs).unref();
  });
  const add = (title: string, run: Case) => {
    if (!isWanted(title)) return;
    inner(title, async () => {
      try {
        await run();
      } catch (error) {
        failed = true;
        // uvu prints only the message and its own diff, so this also prints the stack.
        if (error instanceof Error) process.stderr.write(`\n[${name}] ${title}\n${error.stack}\n`);
        if (error instanceof assert.Assertion && !error.details) {
          process.stderr.write(`was: ${inspect(error.actual)}\n`);
        }
        throw error;
      }
    });
  };
  const skip = (title: string, reason: string) => {
    if (!isWanted(title)) return;
    process.stdout.write(`skipped: [${name}] ${title}: ${reason}\n`);
    inner.skip(title, () => {});
  };
  return Object.assign(add, {
    skip,
    when(reason: string | undefined, title: string, run: Case) {
      if (reason === undefined) add(title, run);
      else skip(title, reason);
    },
    before: (hook: Case) => inner.before(hook),
    after: (hook: Case) => inner.after(hook),
    // Without a chosen test the hooks must not run.
    run: () => {
      if (chosen > 0 || wantedName === '') inner.run();
    },
  });
}

/** Asserts that `run` throws or rejects with `kind` and a message that matches. Returns the error. */
export async function throws<E extends Error>(
  // biome-ignore lint/suspicious/noExplicitAny: a constructor's parameters do not matter here
  kind: new (...args: any[]) => E,
  message: RegExp,
  run: () => unknown,
): Promise<E> {
  let error: unknown;
  try {
    await run();
  } catch (caught) {
    error = caught;
  }
  assert.ok(error !== undefined, `expected ${kind.name} ${message}, nothing was thrown`);
  assert.ok(error instanceof kind, `expected ${kind.name}, got ${String(error)}`);
  const said = (error as E).message;
  assert.ok(message.test(said), `expected a message like ${message}, got: ${said}`);
  return error as E;
}
