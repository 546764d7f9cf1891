// Runs cases against iptables-legacy on a stand-in for the kernel's tables (fake-xtables.c). This is for extensions
// that this kernel does not have, and for older revisions.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Suite } from './harness.js';

/** The newest revision of some extensions. The "kernel" has every revision of the others. */
export type Newest = Readonly<Record<string, number>>;

const here = dirname(fileURLToPath(import.meta.url));
let folder: string | undefined;
let missing: string | undefined;

function library(): string | undefined {
  if (folder === undefined && missing === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'fake-xtables-'));
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    const output = join(made, 'fake.so');
    const source = join(here, 'fake-xtables.c');
    const done = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', output, source, '-ldl'], {
      encoding: 'utf8',
    });
    if (done.status === 0) folder = made;
    else
      missing = `no C compiler for the stand-in of the kernel: ${done.error?.message ?? done.stderr}`;
  }
  return folder === undefined ? undefined : join(folder, 'fake.so');
}

const standIns = new WeakSet<Suite>();

/** A suite on the stand-in. If the cases of the suite already run there, it is the suite itself. */
export function onFakeKernel(test: Suite): Suite {
  return standIns.has(test) ? test : fakeKernel(test);
}

/** A suite whose cases run on the stand-in, each with empty tables. */
export function fakeKernel(test: Suite, newest: Newest = {}): Suite {
  const preload = library();
  const add = (name: string, run: () => void | Promise<void>) => {
    test.when(missing, name, async () => {
      const tables = mkdtempSync(join(folder!, 'tables-'));
      // All programs that a case starts inherit these, also iptables and the reader of tables.
      process.env.LD_PRELOAD = preload;
      process.env.XT_FAKE_DIR = tables;
      process.env.XT_FAKE_MAX = Object.entries(newest)
        .map(([extension, revision]) => `${extension}=${revision}`)
        .join(',');
      try {
        await run();
      } finally {
        delete process.env.LD_PRELOAD;
        delete process.env.XT_FAKE_DIR;
        delete process.env.XT_FAKE_MAX;
      }
    });
  };
  const suite = Object.assign(add, test);
  standIns.add(suite);
  return suite;
}
