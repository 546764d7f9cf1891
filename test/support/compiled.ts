// The package as plain JavaScript in a folder of its own, for child processes and workers that must
// start fast: transpiled from src/ when it has changed, with the addon of the last native build.
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? sources(path) : path.endsWith('.ts') ? [path] : [];
    })
    .sort();
}

/** The folder of the package: `dist/index.js`, `package.json`, `build/Release/conntrack.node`. */
export function compiledPackage(): string {
  const files = sources('src').map((path) => ({
    path,
    text: readFileSync(join(root, path), 'utf8'),
  }));
  const hash = createHash('sha256').update(readFileSync(join(root, 'package.json')));
  for (const { path, text } of files) hash.update(`${path}\0${text}\0`);
  const target = join(root, 'build-tests', `package-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(target)) return target;
  const scratch = `${target}.${process.pid}`;
  const compilerOptions: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
  };
  for (const { path, text } of files) {
    const out = join(scratch, path.replace(/^src/, 'dist').replace(/\.ts$/, '.js'));
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(out, ts.transpileModule(text, { compilerOptions, fileName: path }).outputText);
  }
  cpSync(join(root, 'package.json'), join(scratch, 'package.json'));
  symlinkSync(join(root, 'build'), join(scratch, 'build'));
  try {
    renameSync(scratch, target);
  } catch (error) {
    // Another test file was faster.
    rmSync(scratch, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}
