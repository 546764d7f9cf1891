// Differences of two texts as a unified diff, which people read and patch(1) applies. Pure; knows nothing of rules.

/** A line of the old text (`-`), of the new one (`+`), or of both. Its text is made only if it is shown. */
export interface DiffLine {
  readonly sign: ' ' | '-' | '+';
  readonly text: string | (() => string);
}

/** Lines around a change. */
const context = 3;

/** The text of the differences; empty if there are none. `name`: of both texts, above them. */
export function unifiedDiff(lines: readonly DiffLine[], name: string): string {
  const out: string[] = [];
  let [old, fresh] = [1, 1]; // the numbers of the next line in both texts
  let from = 0;
  const advance = (to: number) => {
    for (; from < to; from++) {
      const { sign } = lines[from]!;
      if (sign !== '+') old++;
      if (sign !== '-') fresh++;
    }
  };
  for (let at = 0; at < lines.length; at++) {
    if (lines[at]!.sign === ' ') continue;
    // A hunk goes on as long as the next change is so near that both contexts would touch.
    let last = at;
    for (let next = at + 1; next < lines.length && next - last <= 2 * context + 1; next++) {
      if (lines[next]!.sign !== ' ') last = next;
    }
    const begin = Math.max(from, at - context);
    const end = Math.min(lines.length, last + 1 + context);
    advance(begin);
    const [oldBegin, freshBegin] = [old, fresh];
    advance(end);
    out.push(`@@ -${oldBegin},${old - oldBegin} +${freshBegin},${fresh - freshBegin} @@`);
    for (const { sign, text } of lines.slice(begin, end)) {
      out.push(`${sign}${typeof text === 'string' ? text : text()}`);
    }
    at = end - 1;
  }
  if (out.length === 0) return '';
  return [`--- ${name}`, `+++ ${name}`, ...out, ''].join('\n');
}
