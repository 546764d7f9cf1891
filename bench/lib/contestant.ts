// A contestant in its own process: a script of bench/contestants. Each request is a line of JSON, and so is each
// answer. Both ends are here.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Child } from '../../test/support/process.js';
import { builtEnvironment, nodeArguments } from './built.js';

/** The end that asks. */
export class Contestant implements AsyncDisposable {
  readonly #child: Child;
  #answers = 0;

  private constructor(child: Child) {
    this.#child = child;
  }

  /** Starts `bench/contestants/<script>.ts` in the namespaces of this process. */
  static async start(script: string, ...args: string[]): Promise<Contestant> {
    const file = fileURLToPath(new URL(`../contestants/${script}.ts`, import.meta.url));
    const argv = [...nodeArguments('--max-old-space-size=8192'), file, ...args];
    const contestant = new Contestant(Child.start(argv, builtEnvironment));
    await contestant.#answer();
    return contestant;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Sends a request and resolves with the answer. */
  async ask<Answer>(request: unknown): Promise<Answer> {
    this.#child.write(`${JSON.stringify(request)}\n`);
    return (await this.#answer()) as Answer;
  }

  async #answer(): Promise<unknown> {
    const number = this.#answers++;
    const line = await this.#child.until('an answer', (lines) => lines[number]);
    return JSON.parse(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop('SIGKILL');
  }
}

/** The end that answers: first says that it is ready, then answers requests one by one until there are no more. */
export async function serve<Request>(work: (request: Request) => unknown): Promise<never> {
  process.stdout.write('{}\n');
  for await (const line of createInterface({ input: process.stdin })) {
    const answer = await work(JSON.parse(line) as Request);
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}
