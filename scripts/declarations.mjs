// Which declarations a program can come to from index.d.ts. Run by itself, it removes the others from dist: nobody can
// name what is in them.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const dist = fileURLToPath(new URL('../dist', import.meta.url));

/** The declarations that `index.d.ts` leads to, itself among them, as paths from the project. */
export function declarations() {
  const found = new Set();
  const add = (path) => {
    if (found.has(path)) return;
    found.add(path);
    // Every form of import, also of a module only for its globals.
    const imports = /\b(?:from|import)\s*\(?\s*['"](\.[^'"]+)\.js['"]/g;
    for (const [, other] of readFileSync(path, 'utf8').matchAll(imports)) {
      add(resolve(dirname(path), `${other}.d.ts`));
    }
  };
  add(join(dist, 'index.d.ts'));
  return Array.from(found, (path) => join('dist', relative(dist, path)));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const kept = new Set(declarations());
  for (const name of readdirSync(dist, { recursive: true })) {
    const path = join('dist', name);
    if (path.endsWith('.d.ts') && !kept.has(path)) rmSync(join(dist, name));
  }
}
