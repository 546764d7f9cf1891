// Makes dist/index.d.ts and dist/testing.d.ts, each one file with the declarations that a program can name or come to, from
// those that tsc wrote to build-declarations. A file for each module of src would be half as large again, and would show
// what nobody can import. testing.d.ts takes the types of the package from index.d.ts.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

const root = fileURLToPath(new URL('..', import.meta.url));
const written = join(root, 'build-declarations');

/** Leaves the types of the package where they are. */
const fromIndex = {
  name: 'types of index.d.ts',
  resolveId: (id) => (id === '../index.js' ? { id: './index.js', external: true } : null),
};

for (const [input, name] of [
  ['index.d.ts', 'index.d.ts'],
  ['testing/testing.d.ts', 'testing.d.ts'],
]) {
  const bundle = await rollup({
    input: join(written, input),
    plugins: [fromIndex, dts()],
    onwarn: (warning) => {
      throw new Error(`declarations: ${warning.message}`);
    },
  });
  await bundle.write({ file: join(root, 'dist', name), format: 'es' });
}
rmSync(written, { recursive: true });
