// Every rule text of the tests in one list: each string in any test file that can be read as a rule, and one more for
// every option of every extension. For properties that must hold for all rules.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { extensions } from '../../src/iptables/extensions/index.js';
import type { Family } from '../../src/iptables/rule/rule.js';
import { parseRules } from '../../src/iptables/rule/text.js';
import type { SetNames } from '../../src/iptables/text/host-names.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';

const here = dirname(fileURLToPath(import.meta.url));

function* testFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* testFiles(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

/** The string literals of a source. */
function literals(source: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('test.ts', source, ts.ScriptTarget.ES2022));
  return found;
}

/** Values that some option takes. Each option is tried with each of them. */
const values = [
  ...[
    '1',
    '5',
    '1:3',
    '5:3',
    '0:65535',
    '1,3',
    '80',
    '3/hour',
    '0x3/0x7',
    '10.0.0.1',
    '10.0.0.0/8',
  ],
  ...[
    '10.0.0.1-10.0.0.9',
    '2001:db8::1',
    '2001:db8::/32',
    '2001:db8::1-2001:db8::9',
    'abc',
    'eth0',
  ],
  ...[
    'NEW',
    'NONE',
    'LOCAL',
    'tcp',
    'any',
    'src',
    'src,dst',
    '32',
    '128',
    '255/255',
    '0.5',
    'bytes',
  ],
  ...['original', 'in', 'ipsec', 'none', 'unicast', 'crypto', 'bm', 'Mon', '10:00', '2030-01-01'],
];

/** Texts for every option. Those that the package takes are rules. */
function* generated(): Generator<string> {
  for (const extension of extensions) {
    const options = new Set([
      ...extension.fields.flatMap((field) => field.options ?? []),
      ...extension.spellings.map((spelling) => spelling.option),
    ]);
    const lead = extension.kind === 'match' ? '-m' : '-j';
    for (const protocol of [
      '',
      ...(extension.protocols ?? [6]).slice(0, 1).map((n) => `-p ${n} `),
    ]) {
      const start = `${protocol}${lead} ${extension.name}`;
      yield start;
      for (const option of options) {
        for (const not of ['', '! ']) {
          yield `${start} ${not}--${option}`;
          for (const value of values) yield `${start} ${not}--${option} ${value}`;
        }
      }
    }
  }
}

let texts: readonly string[] | undefined;

function allTexts(): readonly string[] {
  if (texts === undefined) {
    const all = new Set<string>();
    for (const file of testFiles(join(here, '..'))) {
      for (const literal of literals(readFileSync(file, 'utf8'))) {
        for (const line of literal.split('\n')) {
          // With `-A CHAIN …` in front, or only a specification.
          const text = line.replace(/^(\[\d+:\d+\] )?-[AICD] \S+ /, '').trim();
          if (/(^| )(! )?-{1,2}[a-zA-Z0-9]/.test(text)) all.add(text);
        }
      }
    }
    for (const text of generated()) all.add(text);
    texts = [...all];
  }
  return texts;
}

/** Every text that means one rule of the family. */
export function ruleCorpus(family: Family, sets?: SetNames): string[] {
  return allTexts().filter((text) => {
    try {
      const rules = parseRules(text, { family, sets });
      if (rules.length !== 1) return false;
      encodeRule(rules[0]!, { family, sets });
      return true;
    } catch {
      return false;
    }
  });
}
