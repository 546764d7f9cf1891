// Makes dist/index.d.ts, one file with the declarations that a program can name or come to, from those that tsc wrote to
// build-declarations. A file for each module of src would be half as large again, and would show what nobody can import.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

const root = fileURLToPath(new URL('..', import.meta.url));
const written = join(root, 'build-declarations');

const bundle = await rollup({
  input: join(written, 'index.d.ts'),
  plugins: [dts()],
  onwarn: (warning) => {
    throw new Error(`declarations: ${warning.message}`);
  },
});
await bundle.write({ file: join(root, 'dist/index.d.ts'), format: 'es' });
rmSync(written, { recursive: true });
