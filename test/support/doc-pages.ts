// The pages of the documentation, and the tests of their programs: each runs to its end in its world, and prints what
// the page shows.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { awaited } from './awaited.js';
import { type DocProgram, hasPrinted, programsOf } from './doc-blocks.js';
import { RunningProgram, type Runtime } from './doc-programs.js';
import { worlds } from './doc-worlds.js';
import { type AddCase, assert } from './harness.js';

const root = new URL('../../', import.meta.url);

export const readPage = (file: string) => readFileSync(fileURLToPath(new URL(file, root)), 'utf8');

/** All pages: README.md, docs/*.md and docs/guides/*.md, as paths in the project. */
export const pages: readonly string[] = [
  'README.md',
  ...['docs', 'docs/guides'].flatMap((folder) =>
    readdirSync(new URL(folder, root))
      .filter((name) => name.endsWith('.md'))
      .sort()
      .map((name) => `${folder}/${name}`),
  ),
];

export const programsIn = (file: string) => programsOf(readPage(file), file);

/** Adds a test for each program of these pages, in this Node or in another runtime. */
export function testPages(test: AddCase, files: readonly string[], runtime?: () => Runtime): void {
  for (const file of files) {
    for (const program of programsIn(file)) {
      test(program.place, () => runs(program, runtime?.()));
    }
  }
}

const hasAll = (program: DocProgram) => (lines: readonly string[]) =>
  hasPrinted(lines.join('\n'), program.prints ?? '') || undefined;

async function runs(program: DocProgram, runtime?: Runtime): Promise<void> {
  const make = worlds[program.world];
  assert.ok(make, `there is no world "${program.world}"`);
  await using world = await make();
  await using running = RunningProgram.start(program, world.netns, {
    env: { ...program.variables },
    prefix: world.prefix ?? [],
    ...(runtime && { runtime }),
  });
  const { child } = running;
  const output = () => `${child.lines.join('\n')}\n${child.stderr}`;
  const within = <T>(what: string, work: Promise<T>) =>
    awaited(what, work).catch((error) => {
      throw new Error(`${error.message}\n${output()}`);
    });
  if (world.meanwhile) await within('what happens meanwhile', world.meanwhile(child));
  if (program.ended === 'printed') {
    await within('all that the page shows', child.until('it', hasAll(program)));
  }
  if (program.ended === 'at once') await within('a program that drains', running.catchesSignal());
  if (program.ended !== undefined) child.signal('SIGTERM');
  const ending = await within('the end of the program', child.exited);
  const ended = ending.code === 0 || (program.ended === 'printed' && ending.signal === 'SIGTERM');
  assert.ok(ended, `${ending.signal ?? `exit ${ending.code}`}\n${output()}`);
  assert.is(child.stderr, '');
  if (program.prints !== undefined) {
    const printed = child.lines.join('\n');
    assert.ok(hasPrinted(printed, program.prints), `printed:\n${printed}`);
  }
}
