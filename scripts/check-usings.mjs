// Finds names that a C++ file brings in with `using` or as a name of a namespace, and never uses. clang-tidy has
// checks for both, but they look only at the file that the compiler is given. In the lint that file includes
// several files of a folder.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const native = fileURLToPath(new URL('../native', import.meta.url));
const declaration = /^[ \t]*(?:using (?:\w*::)+(\w+);|namespace (\w+) = .*;)/gm;

const unused = readdirSync(native, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.cc'))
  .sort()
  .flatMap((file) => {
    const code = readFileSync(join(native, file), 'utf8').replace(
      /\/\/.*|"(?:\\.|[^"\\\n])*"/g,
      '',
    );
    const rest = code.replace(declaration, '');
    return [...code.matchAll(declaration)]
      .map(([, name, space]) => name ?? space)
      .filter((name) => !new RegExp(`(?<!::|\\w)${name}\\b`).test(rest))
      .map((name) => `native/${file}: ${name} is not used`);
  });
for (const line of unused) process.stderr.write(`${line}\n`);
process.exit(unused.length === 0 ? 0 : 1);
