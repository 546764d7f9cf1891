// What an option of a rule's text means: iptables' own options, and those of the extensions that the text has
// loaded so far (getopt_long, as iptables 1.8.9 uses it). Reads no values.
import type { Kind } from '../extensions/define.js';
import type { Option } from '../extensions/options.js';
import { optionsOf } from '../extensions/options.js';
import type { Named } from '../extensions/registry.js';

/** iptables' own options: long name → short name. First the options of a rule. */
const ruleOptions: Record<string, string> = {
  source: 's',
  destination: 'd',
  src: 's',
  dst: 'd',
  protocol: 'p',
  'in-interface': 'i',
  jump: 'j',
  match: 'm',
  'out-interface': 'o',
  fragments: 'f',
  'set-counters': 'c',
  goto: 'g',
  ipv4: '4',
  ipv6: '6',
};
const otherOptions: Record<string, string> = {
  append: 'A',
  delete: 'D',
  check: 'C',
  insert: 'I',
  replace: 'R',
  list: 'L',
  'list-rules': 'S',
  flush: 'F',
  zero: 'Z',
  'new-chain': 'N',
  'delete-chain': 'X',
  'rename-chain': 'E',
  policy: 'P',
  table: 't',
  numeric: 'n',
  verbose: 'v',
  wait: 'w',
  'wait-interval': 'W',
  exact: 'x',
  version: 'V',
  help: 'h',
  'line-numbers': '0',
  modprobe: 'M',
};
const baseOptions = new Map(Object.entries({ ...ruleOptions, ...otherOptions }));
/** Whether a letter is an option of iptables, in a rule or elsewhere. */
export const isOption = (letter: string): boolean => [...baseOptions.values()].includes(letter);
/** Short options that take an argument. */
export const withArgument = new Set(['s', 'd', 'p', 'i', 'o', 'j', 'm', 'g', 'c']);
/** Short options that are part of a rule. */
export const inRule = new Set(Object.values(ruleOptions));

/** What a long option can mean at some point of the text. */
export interface Meaning {
  base?: string;
  option?: Option;
  /** The owner of the option: a match of that name (its latest instance), or the target. */
  owner?: string;
  kind?: Kind;
}

/** The options of one extension, by name. */
interface Meanings {
  readonly owner: string;
  readonly kind: Kind;
  readonly byName: ReadonlyMap<string, Meaning>;
}

const meaningsOf = new WeakMap<object, Meanings>();

/** Whose options `-m name` or `-j NAME` adds. */
export const ownerOf = ({ alias, extension }: Named) => (alias ?? extension).name;

/** The options that `-m name` or `-j NAME` adds. */
function meaningsFor({ extension, alias }: Named, kind: Kind): Meanings {
  const source = alias ?? extension;
  let meanings = meaningsOf.get(source);
  if (meanings === undefined) {
    const owner = source.name;
    const byName = new Map<string, Meaning>();
    for (const option of optionsOf(source)) {
      for (const name of option.names) {
        if (!byName.has(name)) byName.set(name, { option, owner, kind });
      }
    }
    meanings = { owner, kind, byName };
    meaningsOf.set(source, meanings);
  }
  return meanings;
}

/** The options that are known at some point of a text. */
export class OptionTable {
  /** The options of extensions. The latest extension comes first, as libxtables merges them. */
  readonly #meanings: Meanings[] = [];

  /**
   * Adds the options of an extension. A second instance of a match adds none: the same options then mean the new
   * instance.
   */
  add(named: Named, kind: Kind): void {
    const owner = ownerOf(named);
    const again = this.#meanings.some((each) => each.owner === owner && each.kind === kind);
    if (!again) this.#meanings.unshift(meaningsFor(named, kind));
  }

  /** As getopt_long does: an exact name first, else the only name with this beginning. */
  lookUp(name: string): Meaning | { ambiguous: string[] } | undefined {
    const base = baseOptions.get(name);
    if (base !== undefined) return { base };
    for (const { byName } of this.#meanings) {
      const exact = byName.get(name);
      if (exact !== undefined) return exact;
    }
    const found = new Map<unknown, [string, Meaning]>();
    for (const [each, letter] of baseOptions) {
      if (each.startsWith(name) && !found.has(letter)) found.set(letter, [each, { base: letter }]);
    }
    for (const { byName } of this.#meanings) {
      for (const [each, meaning] of byName) {
        if (each.startsWith(name) && !found.has(meaning.option))
          found.set(meaning.option, [each, meaning]);
      }
    }
    if (found.size === 0) return undefined;
    if (found.size > 1) return { ambiguous: [...found.values()].map(([each]) => `--${each}`) };
    return [...found.values()][0]![1];
  }
}
