// Processes whose kernel looks like another release of Linux (old-kernel/calls.c). The table and the namespace are those
// of this process. What they ask the kernel for is written down.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FlowFilter } from '../../src/index.js';
import { startNode } from './node-child.js';
import { sharedObject } from './preload.js';
import { Child } from './process.js';
import { python } from './python.js';

/** How a kernel differs from its release. */
export interface Differences {
  /** Options that it was built without: CONFIG_NF_CONNTRACK_MARK, CONFIG_NF_CONNTRACK_ZONES. */
  without?: readonly ('mark' | 'zones')[];
  /** What a distribution has brought to it: a flush with CTA_FILTER. */
  with?: readonly 'flush'[];
}

/** A dump, a flush or a deletion with a filter, as that kernel understands it. */
export interface AskedKernel {
  request: 'dump' | 'flush' | 'delete';
  family: number;
  /** The error that it answers with, or 0. */
  refused: number;
  sent: string[];
  /** Attributes that this kernel does not look at. */
  ignored: string[];
  /** Attributes that this kernel compares with something else than was meant. */
  misread: string[];
}

/** What a call gave: the ids of the flows of a batch, or a plain value. */
export interface Outcome {
  value?: unknown;
  ids?: number[];
  stats?: { messages: number; rejected: number; sockets: number; kernelFilter: string[] };
  error?: { name: string; code: string; hint?: string; message: string };
}

/** The events of one stream: the type of each, the id of its flow, and whether it has a time. */
export type Heard = { type: string; id: number; timed: boolean }[];

function environment(release: string, log: string, differences: Differences = {}) {
  const sources = ['calls.c', 'filter.c', 'report.c'];
  return {
    LD_PRELOAD: sharedObject('old-kernel', 'test/support/old-kernel', ['old-kernel.h'], sources),
    OLD_KERNEL: release,
    OLD_KERNEL_WITHOUT: differences.without?.join() ?? '',
    OLD_KERNEL_WITH: differences.with?.join() ?? '',
    OLD_KERNEL_LOG: log,
  };
}

/** A Node process with the package, on that kernel. */
export class OldKernel implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'old-kernel-'));
  readonly #log = join(this.#folder, 'log');
  readonly #child: Child;
  #calls = 0;

  constructor(
    readonly release: string,
    differences: Differences = {},
  ) {
    const env = environment(release, this.#log, differences);
    this.#child = startNode('calls.mjs', [], { env });
  }

  /** Calls a method of `Conntrack`, or `support`. An error is part of the outcome. */
  async try(method: string, ...given: readonly unknown[]): Promise<Outcome> {
    const number = this.#calls++;
    this.#child.write(`${JSON.stringify([method, ...given])}\n`);
    const line = await this.#child.until(`the answer to ${method}`, (lines) => lines[number]);
    return JSON.parse(line) as Outcome;
  }

  /** As `try`, but an error is thrown. */
  async call(method: string, ...given: readonly unknown[]): Promise<Outcome> {
    const outcome = await this.try(method, ...given);
    if (outcome.error !== undefined) {
      throw new Error(`Linux ${this.release}: ${method}: ${outcome.error.message}`);
    }
    return outcome;
  }

  /** Opens event streams, one for each filter. */
  async listen(filters: readonly FlowFilter[]): Promise<void> {
    await this.call('listen', filters);
  }

  /** Closes the streams, and gives the events of each. */
  async heard(): Promise<Heard[]> {
    return (await this.call('heard')).value as Heard[];
  }

  /** What was asked since the last call of this. */
  asked(): AskedKernel[] {
    const lines = readLines(this.#log);
    rmSync(this.#log, { force: true });
    return lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true });
  }
}

function readLines(path: string): AskedKernel[] {
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return []; // nothing was asked
  }
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as AskedKernel);
}

/** The payload of an attribute: hexadecimal digits, or attributes. */
export type Payload = string | readonly (readonly [number: number, payload: Payload])[];

/** A request as it is sent to the kernel. */
export interface RawRequest {
  /** IPCTNL_MSG_CT_*: 1 is GET, 2 is DELETE. */
  message: 1 | 2;
  dump?: boolean;
  family?: number;
  version?: number;
  attributes: Exclude<Payload, string>;
}

/** Sends requests without the package: to that kernel, or to the real one. */
export class RawKernel implements AsyncDisposable {
  readonly #child: Child;
  #requests = 0;

  constructor(release?: string) {
    const script = fileURLToPath(new URL('old-kernel/ask.py', import.meta.url));
    const env = release === undefined ? {} : environment(release, '/dev/null');
    this.#child = Child.start([python, script], env);
  }

  /** The errno of the answer, and the ids of the flows that came. */
  async ask(request: RawRequest): Promise<{ code: number; ids: number[] }> {
    const number = this.#requests++;
    const { message, dump = false, family = 0, version = 1, attributes } = request;
    this.#child.write(
      `${JSON.stringify({ type: 0x100 | message, dump, family, version, attributes })}\n`,
    );
    const line = await this.#child.until('an answer', (lines) => lines[number]);
    return JSON.parse(line) as { code: number; ids: number[] };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}
