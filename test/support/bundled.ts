// Makes JavaScript of test files and of programs of tests before they run. Otherwise each process would transform all
// that it imports, module by module. Modules that several files share are written once. Every module keeps the
// `import.meta.url` of its source, and stacks name the sources.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Loader } from 'esbuild';

const project = fileURLToPath(new URL('../..', import.meta.url));

const home = join(project, 'build-tests');

/** Removes the folders of processes that were killed. */
function removeOld(): void {
  for (const name of readdirSync(home)) {
    const [, pid] = /^bundled-(\d+)-/.exec(name) ?? [];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    rmSync(join(home, name), { recursive: true, force: true });
  }
}

/** The words before a bundled file that run it. */
export const bundledNode = [process.execPath, '--enable-source-maps'];

/** Writes the files into a folder that lives as long as this process. Returns what runs in place of each. */
export async function bundled(files: readonly string[]): Promise<Map<string, string>> {
  // In the project, because the written modules import packages by name.
  mkdirSync(home, { recursive: true });
  removeOld();
  const folder = mkdtempSync(join(home, `bundled-${process.pid}-`));
  chmodSync(folder, 0o755); // some programs run as another user
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const { metafile } = await build({
    entryPoints: [...files],
    outdir: folder,
    absWorkingDir: project,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
    keepNames: true,
    metafile: true,
    // The package promises that its modules do nothing when they are loaded. One of them declares a global.
    ignoreAnnotations: true,
    logLevel: 'warning',
    plugins: [
      {
        name: 'the package by its name',
        setup({ onResolve }) {
          onResolve({ filter: /^conntrack$/ }, () => ({ path: join(project, 'src/index.ts') }));
        },
      },
      {
        name: 'place of the source',
        setup({ onLoad }) {
          onLoad({ filter: /\.[cm]?[jt]s$/ }, ({ path }) => {
            const text = readFileSync(path, 'utf8');
            const url = JSON.stringify(pathToFileURL(path).href);
            const loader: Loader = path.endsWith('ts') ? 'ts' : 'js';
            return { contents: text.replaceAll(/\bimport\.meta\.url\b/g, url), loader };
          });
        },
      },
    ],
  });
  const made = Object.entries(metafile.outputs).flatMap(([output, { entryPoint }]) =>
    entryPoint === undefined ? [] : [[join(project, entryPoint), join(project, output)] as const],
  );
  return new Map(made);
}

/** The words that run a program of the tests. For programs that start many times. */
export async function bundledProgram(file: string): Promise<string[]> {
  return [...bundledNode, (await bundled([file])).get(file)!];
}
