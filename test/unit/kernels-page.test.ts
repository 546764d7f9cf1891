// docs/kernels.md names every release of Linux that the sources name or depend on.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '../support/harness.js';

const test = suite('the page of kernels');
const root = fileURLToPath(new URL('../..', import.meta.url));

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.(ts|cc|h)$/.test(entry.name)) yield path;
  }
}

// `Linux 5.14`, `kernels before 5.6`, `(5.3 and later)`, `since 2.6.31`. The versions of other programs begin with 0 or 1.
const named =
  /(?:kernels?|Linux|headers|since|before|from|until|\()\s+?\(?([2-9]\.\d+(?:\.\d+)?)\b/gi;
const inBrackets = /\(([3-9]\.\d+)(?: and later\)|\)[.:;,]? )/g;
const compared = /(?:at_least|kernelAtLeast)\((\d+), (\d+)\)/g;

/** Each release, and a file that names it. */
function releases(): Map<string, string> {
  const found = new Map<string, string>();
  for (const folder of ['src', 'native/core']) {
    for (const path of sources(folder)) {
      const text = readFileSync(join(root, path), 'utf8');
      for (const pattern of [named, inBrackets]) {
        for (const [, release = ''] of text.matchAll(pattern)) found.set(release, path);
      }
      for (const [, major, minor] of text.matchAll(compared)) found.set(`${major}.${minor}`, path);
    }
  }
  return found;
}

test('it has every release that the sources name', () => {
  const page = readFileSync(join(root, 'docs/kernels.md'), 'utf8');
  const onPage = new Set(page.match(/\b\d+\.\d+(?:\.\d+)?\b/g));
  const all = releases();
  const missing = [...all].filter(([release]) => !onPage.has(release));
  assert.equal(missing, []);
  // The search finds releases in the code and in comments.
  for (const release of ['2.6.30', '4.12', '5.8', '5.16', '6.14', '6.17']) {
    assert.ok(all.has(release), release);
  }
});

test.run();
