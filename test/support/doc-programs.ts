// Programs of the documentation as users would have them: modules of a strict project that import the package by name.
// All are compiled at once, and each runs in a namespace.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';
import { until } from './awaited.js';
import { compiledPackage } from './compiled.js';
import type { Netns } from './netns.js';
import { type Child, run } from './process.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const signals = new URL('doc-signal.mjs', import.meta.url).href;

export interface Program {
  /** File and line. */
  readonly place: string;
  readonly code: string;
}

/** What the compiler says about the programs, with the place of each: nothing if they compile. */
export function compiling(programs: readonly Program[]): string {
  const project = mkdtempSync(join(tmpdir(), 'doc-programs-'));
  try {
    for (const [index, { code }] of programs.entries()) {
      writeFileSync(join(project, `program${index}.mts`), `${code}\n`);
    }
    const config = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        paths: {
          conntrack: [join(root, 'src/index.ts')],
          'conntrack/testing': [join(root, 'src/testing/testing.ts')],
        },
        typeRoots: [join(root, 'node_modules/@types')],
      },
      include: ['*.mts'],
      exclude: [],
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const command = ['sh', '-c', '"$@" 2>&1; echo "exit $?"', 'sh', process.execPath, tsc];
    const said = run([...command, '-p', project]);
    if (said === 'exit 0\n') return '';
    return said.replace(/\S*program(\d+)\.mts/g, (_, index) => programs[index]!.place);
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

/** What runs the programs. */
export interface Runtime {
  /** Its command, to which the file of the program is added. */
  readonly command: readonly string[];
  /** A folder in which a module can import the package by name. */
  readonly modules: string;
}

/** This Node, with the package as it is built now: inside the package, because a package may import itself. */
const thisNode = (): Runtime => ({
  command: [process.execPath, '--import', signals],
  modules: join(compiledPackage(), 'examples'),
});

let written = 0;

/** A program that runs. Its files are removed at the end. */
export class RunningProgram implements AsyncDisposable {
  private constructor(
    readonly child: Child,
    private readonly file: string,
    private readonly folder: string,
  ) {}

  /** Starts it in a namespace, with an empty folder as its working directory. */
  static start(
    program: Program,
    netns: Netns,
    {
      env = {},
      prefix = [],
      runtime = thisNode(),
    }: { env?: Record<string, string>; prefix?: readonly string[]; runtime?: Runtime } = {},
  ): RunningProgram {
    const { command, modules } = runtime;
    mkdirSync(modules, { recursive: true });
    const file = join(modules, `program${process.pid}-${++written}.mjs`);
    writeFileSync(file, transformSync(program.code, { loader: 'ts', target: 'node20' }).code);
    const folder = mkdtempSync(join(tmpdir(), 'doc-program-'));
    const child = netns.start(['env', '-C', folder, ...prefix, ...command, file], env);
    child.end();
    return new RunningProgram(child, file, folder);
  }

  /** Resolves when the program catches SIGTERM. */
  async catchesSignal(): Promise<void> {
    const told = join(this.folder, 'catches-SIGTERM');
    await until('a program that catches SIGTERM', () => existsSync(told) || !this.child.running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stop('SIGKILL');
    for (const path of [this.file, this.folder]) rmSync(path, { recursive: true, force: true });
  }
}
