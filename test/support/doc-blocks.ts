// The code blocks of a page of Markdown, and the hidden comments beside them. Knows no kernel and starts no program.
//
// Directly before a block of TypeScript:
//   <!-- world: NAME VARIABLE=value SIGTERM -->  in which world it runs (doc-worlds.ts), with which variables, and
//                                                when the test ends it: if it has printed all (SIGTERM), or at once,
//                                                for a program that drains (SIGTERM-at-once)
//   <!-- with: CODE -->                          code that is put before the block
//   <!-- calls -->                               before a table: the code of its last column is the block
// Directly after it:
//   <!-- check: CODE -->                         code that is put after the block
//   <!-- prints: TEXT -->                        what the program prints
//   <!-- prints -->                              the next block of text is what the program prints

/** A program of a page. */
export interface DocProgram {
  /** File and line. */
  readonly place: string;
  readonly world: string;
  readonly variables: Readonly<Record<string, string>>;
  /** When the test ends it by SIGTERM, if it does. */
  readonly ended?: 'printed' | 'at once';
  /** The module: the code of the page with the hidden code. */
  readonly code: string;
  readonly prints?: string;
}

type Token =
  | { kind: 'comment'; line: number; word: string; text: string }
  | { kind: 'block'; line: number; language: string; text: string }
  | { kind: 'table'; line: number; rows: string[] }
  | { kind: 'text'; line: number };

const beforeWords = new Set(['world', 'with', 'calls']);
const words = new Set([...beforeWords, 'check', 'prints']);
const blank = /^\s*$/;

function tokensOf(page: string, place: (line: number) => string): Token[] {
  const lines = page.split('\n');
  const tokens: Token[] = [];
  /** The number of the next line that matches. */
  const until = (from: number, end: RegExp) => {
    const after = lines.slice(from).findIndex((line) => end.test(line));
    if (after < 0) throw new Error(`${place(from)}: no end`);
    return from + after;
  };
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    if (blank.test(line)) continue;
    const fence = /^```(\S*)$/.exec(line);
    const comment = /^<!-- (\w+)\b:?(.*)$/.exec(line);
    if (fence) {
      const end = until(at + 1, /^```$/);
      const text = lines.slice(at + 1, end).join('\n');
      tokens.push({ kind: 'block', line: at + 1, language: fence[1]!, text });
      at = end;
    } else if (/^\s+```/.test(line)) {
      throw new Error(`${place(at + 1)}: a block that is indented is not tested`);
    } else if (comment && words.has(comment[1]!)) {
      const end = until(at, /-->\s*$/);
      const text = [comment[2]!, ...lines.slice(at + 1, end + 1)].join('\n');
      const shown = text.replace(/\s*-->\s*$/, '').replace(/^\s*\n?/, '');
      tokens.push({ kind: 'comment', line: at + 1, word: comment[1]!, text: shown });
      at = end;
    } else if (line.startsWith('|')) {
      const rows = lines.slice(at).findIndex((row) => !row.startsWith('|'));
      const end = rows < 0 ? lines.length : at + rows;
      tokens.push({ kind: 'table', line: at + 1, rows: lines.slice(at, end) });
      at = end - 1;
    } else {
      tokens.push({ kind: 'text', line: at + 1 });
    }
  }
  return tokens;
}

/** The code of the last column: each piece is a statement of its own. */
function callsOf(rows: readonly string[]): string {
  const pieces = rows.flatMap((row) => {
    const last = row.split(/(?<!\\)\|/).at(-2) ?? '';
    return [...last.matchAll(/`([^`]+)`/g)].map(([, code]) => code!.replaceAll('\\|', '|'));
  });
  return pieces.map((piece) => `{\n${piece.replace(/;?$/, ';')}\n}`).join('\n');
}

/** The programs of a page. A hidden comment that belongs to no program is an error. */
export function programsOf(page: string, file: string): DocProgram[] {
  const place = (line: number) => `${file}:${line}`;
  const tokens = tokensOf(page, place);
  const programs: DocProgram[] = [];
  /** The comments before the next block. */
  let before: Partial<Record<string, string>> = {};
  while (tokens.length > 0) {
    const token = tokens.shift()!;
    if (token.kind === 'comment' && beforeWords.has(token.word)) {
      before[token.word] = token.text;
      continue;
    }
    if (token.kind === 'comment') {
      throw new Error(`${place(token.line)}: "${token.word}" follows no program`);
    }
    const { world, with: prelude, calls } = before;
    const code = codeOf(token, calls !== undefined);
    if (code === undefined) {
      if (Object.keys(before).length > 0) {
        throw new Error(`${place(token.line)}: a hidden comment before this belongs to no program`);
      }
      continue;
    }
    before = {};
    const { check, prints } = after(tokens, place);
    const [name = 'empty', ...rest] = (world ?? '').split(/\s+/).filter((word) => word !== '');
    programs.push({
      place: place(token.line),
      world: name,
      variables: Object.fromEntries(
        rest.filter((word) => word.includes('=')).map((word) => word.split('=', 2)),
      ),
      ...(rest.includes('SIGTERM') && { ended: 'printed' as const }),
      ...(rest.includes('SIGTERM-at-once') && { ended: 'at once' as const }),
      code: [prelude, code, check].filter((part) => part !== undefined).join('\n'),
      ...(prints === undefined ? {} : { prints }),
    });
  }
  return programs;
}

/** The code of a token, if it has code that runs. */
function codeOf(token: Token, calls: boolean): string | undefined {
  if (token.kind === 'block' && token.language === 'ts' && !calls) return token.text;
  if (token.kind === 'table' && calls) return callsOf(token.rows);
  return undefined;
}

/** Takes the comments that follow a program, and the block that it prints. */
function after(tokens: Token[], place: (line: number) => string) {
  const found: { check?: string; prints?: string } = {};
  for (let next = tokens[0]; next?.kind === 'comment'; next = tokens[0]) {
    if (next.word !== 'check' && next.word !== 'prints') break;
    tokens.shift();
    found[next.word] = next.text;
    if (next.word === 'check' || next.text !== '') continue;
    const shown = tokens.shift();
    if (shown?.kind !== 'block' || shown.language !== 'text') {
      throw new Error(`${place(next.line)}: a block of text must follow`);
    }
    found.prints = shown.text;
  }
  return found;
}

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Whether a program has printed this. `…` stands for any part of a line, and alone on a line for any lines. */
export function hasPrinted(output: string, expected: string): boolean {
  const lines = expected.trimEnd().split('\n');
  const pattern = lines
    .map((line) =>
      line.trim() === '…' ? '(?:.*\\n)*' : `${line.split('…').map(literal).join('.*')}\\n`,
    )
    .join('');
  return new RegExp(`^${pattern}$`).test(`${output.trimEnd()}\n`);
}
