// Applies a unified diff to a text, strictly: every line that the diff names must be where it says.
import { assert } from './harness.js';

export function patched(text: string, diff: string): string {
  if (diff === '') return text;
  const old = text.split('\n');
  const [from, to, ...rest] = diff.split('\n');
  assert.match(from!, /^--- \S/);
  assert.is(to!.slice(4), from!.slice(4));
  assert.is(rest.pop(), '', 'the diff ends with a line break');
  const out: string[] = [];
  let at = 0;
  let left = { old: 0, fresh: 0 };
  let changes = 1;
  for (const line of rest) {
    const hunk = /^@@ -(\d+),(\d+) \+(\d+),(\d+) @@$/.exec(line);
    if (hunk !== null) {
      assert.equal(left, { old: 0, fresh: 0 }, 'the hunk before is whole');
      assert.ok(changes > 0, 'the hunk before has changes');
      const [oldBegin, oldCount, freshBegin, freshCount] = hunk.slice(1).map(Number);
      assert.ok(oldBegin! - 1 >= at, `hunks in order: ${line}`);
      while (at < oldBegin! - 1) out.push(old[at++]!);
      assert.is(out.length, freshBegin! - 1, line);
      left = { old: oldCount!, fresh: freshCount! };
      changes = 0;
      continue;
    }
    const [sign, said] = [line[0], line.slice(1)];
    assert.ok(sign === ' ' || sign === '-' || sign === '+', line);
    if (sign !== '+') {
      assert.is(said, old[at++], `line ${at}`);
      left.old--;
    }
    if (sign !== '-') {
      out.push(said);
      left.fresh--;
    }
    if (sign !== ' ') changes++;
  }
  assert.equal(left, { old: 0, fresh: 0 }, 'the last hunk is whole');
  return [...out, ...old.slice(at)].join('\n');
}
