// Runs other programs for tests: to the end, or as a child that reads and writes lines. It waits for events (a line,
// an exit), never for a time. It knows nothing about netfilter.
import {
  type ChildProcess,
  type ChildProcessByStdio,
  execFileSync,
  spawn,
} from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

export interface RunOptions {
  input?: string;
  env?: Record<string, string>;
}

/** Runs a program and returns its standard output. If the program fails, throws an error with its output. */
export function run(argv: readonly string[], options: RunOptions = {}): string {
  const [command, ...args] = argv;
  if (command === undefined) throw new TypeError('argv: expected a command');
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      input: options.input ?? '',
      env: { ...process.env, ...options.env },
      maxBuffer: 1 << 30,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    const failure = error as { status?: number | null; signal?: string; stderr?: string };
    const ending = failure.signal ?? `exit code ${failure.status ?? '?'}`;
    const said = failure.stderr?.trim() || (error as Error).message;
    throw new Error(`${argv.join(' ')}: ${ending}: ${said}`, { cause: error });
  }
}

/** How a child ended. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Less than the time limit of a test file, so that the waiting test can say what is missing. */
const untilMs = 0.4 * Number(process.env.TEST_LIMIT_MS ?? 600_000);

/** A running program whose standard output is read line by line. */
export class Child implements AsyncDisposable {
  /** Every line of standard output so far. */
  readonly lines: string[] = [];
  /** Standard error so far. */
  stderr = '';
  readonly exited: Promise<Ending>;
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #watchers = new Set<() => void>();
  #ending: Ending | undefined;

  private constructor(
    readonly argv: readonly string[],
    child: ChildProcessByStdio<Writable, Readable, Readable>,
  ) {
    this.#process = child;
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      this.lines.push(...parts);
      this.#wake();
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.stderr += chunk;
    });
    // A child that has ended does not read. Its ending reports that, so the EPIPE is ignored.
    child.stdin.on('error', () => {});
    this.exited = new Promise((resolve) => {
      const end = (ending: Ending) => {
        if (rest !== '') this.lines.push(rest);
        rest = '';
        this.#ending = ending;
        live.delete(child);
        resolve(ending);
        this.#wake();
      };
      child.on('error', (error) => {
        this.stderr += error.message;
        end({ code: null, signal: null });
      });
      child.on('close', (code, signal) => end({ code, signal }));
    });
  }

  static start(argv: readonly string[], env: Record<string, string> = {}): Child {
    const [command, ...args] = argv;
    if (command === undefined) throw new TypeError('argv: expected a command');
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    live.add(child);
    return new Child(argv, child);
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw this.#failure('did not start');
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#ending === undefined;
  }

  /** Waits until `look` finds something in the output. Rejects if the child ends without it, or takes minutes. */
  async until<T>(what: string, look: (lines: readonly string[]) => T | undefined): Promise<T> {
    const end = performance.now() + untilMs;
    for (;;) {
      const found = look(this.lines);
      if (found !== undefined) return found;
      if (this.#ending !== undefined) throw this.#failure(`ended without ${what}`);
      const left = end - performance.now();
      if (left <= 0) throw this.#failure(`did not give ${what} within ${untilMs / 1000} s`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#watchers.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, left);
        this.#watchers.add(wake);
      });
    }
  }

  /** The first matching line, from line number `from` on. */
  line(pattern: RegExp, from = 0): Promise<string> {
    return this.until(`a line ${pattern}`, (lines) =>
      lines.slice(from).find((line) => pattern.test(line)),
    );
  }

  write(text: string): void {
    this.#process.stdin.write(text);
  }

  /** Closes standard input. */
  end(): void {
    this.#process.stdin.end();
  }

  signal(name: NodeJS.Signals): void {
    if (this.running) this.#process.kill(name);
  }

  /** Closes standard input and waits for a good end. */
  async finish(): Promise<readonly string[]> {
    this.end();
    const { code } = await this.exited;
    if (code !== 0) throw this.#failure('failed');
    return this.lines;
  }

  /** Ends it in any state. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ending> {
    this.signal(signal);
    this.end();
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
  }

  #wake(): void {
    for (const wake of [...this.#watchers]) wake();
  }

  #failure(what: string): Error {
    const ending = this.#ending?.signal ?? this.#ending?.code ?? 'running';
    return new Error(`${this.argv.join(' ')}: ${what} (${ending}): ${this.stderr.trim()}`);
  }
}

// A process that a test leaves running would keep a namespace alive.
const live = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});
