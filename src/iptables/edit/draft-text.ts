// What an edit would change in the text of its table: a diff of what formatSave() writes before and after it.
import { NetfilterError } from '../../errors.js';
import { Rule } from '../rule/rule.js';
import { align } from '../table/align.js';
import type { TableReading } from '../table/reading.js';
import { SaveLines } from '../table/save.js';
import { type Chain, Table } from '../table/table.js';
import { toolOf } from '../text/family.js';
import { breathe } from '../text/pauses.js';
import { type DiffLine, unifiedDiff } from '../text/unified.js';
import { byName, type DraftReading } from './draft-reading.js';

/** How many rules are formatted without a pause. */
const stretch = 256;

/** A line, or what there is instead if iptables has no text for it. */
function lineOf(make: () => string, otherwise: () => string): string {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof NetfilterError)) throw error;
    return otherwise().replaceAll('\n', '\\n');
  }
}

class TextOf {
  readonly table: Table;
  readonly #reading: TableReading;
  readonly #lines: SaveLines;
  readonly #firsts: ReadonlyMap<string, number>;

  constructor(table: Table) {
    this.table = table;
    this.#reading = Table.readingOf(table);
    this.#lines = new SaveLines(table, { asBytes: false });
    this.#firsts = new Map(this.#reading.chains.map(({ name, first }) => [name, first]));
  }

  /** The index of the first rule of a chain among all rules. */
  first(chain: string): number | undefined {
    return this.#firsts.get(chain);
  }

  /** Not from the rules of the chain: these would all be decoded. */
  #rule({ name }: Chain, index: number): Rule {
    return Rule.at(this.#reading.rules, this.#firsts.get(name)! + index);
  }

  chain(chain: Chain): string {
    const bare = () => `:${chain.name} ${chain.policy ?? '-'}`;
    return lineOf(() => this.#lines.chain(chain), bare);
  }

  rule(chain: Chain, index: number): string {
    const lead = SaveLines.lead(chain);
    const rule = this.#rule(chain, index);
    const bare = () => `${lead} ${rule}`;
    return lineOf(() => this.#lines.rule(lead, rule, chain, index), bare);
  }

  /** Different for rules that are not the same, also if they have the same text: nothing may hide a change. */
  key(chain: Chain, index: number, text: string): string {
    const rule = this.#rule(chain, index);
    return rule.inexact === undefined ? text : `${text}\n${rule.inexact}`;
  }
}

/** The lines of two lists in one. Those with equal keys are the same. */
function* merged(
  old: readonly string[],
  fresh: readonly string[],
  oldKeys: readonly string[] = old,
  freshKeys: readonly string[] = fresh,
): Generator<DiffLine> {
  const [forth, back] = align(oldKeys, freshKeys);
  let at = 0;
  for (let index = 0; index <= old.length; index++) {
    const to = index < old.length ? forth[index] : fresh.length;
    if (to === undefined) {
      yield { sign: '-', text: old[index]! };
      continue;
    }
    for (; at < to; at++) if (back[at] === undefined) yield { sign: '+', text: fresh[at]! };
    if (index === old.length) return;
    yield { sign: ' ', text: old[index]! };
    at++;
  }
}

export class DraftText {
  readonly #before: TextOf;
  readonly #after: TextOf;
  readonly #draft: DraftReading;
  #formatted = 0;

  /** `after`: of the draft. */
  constructor(before: Table, after: Table, draft: DraftReading) {
    this.#before = new TextOf(before);
    this.#after = new TextOf(after);
    this.#draft = draft;
  }

  /** Pauses from time to time, so that others may run. */
  async diff(): Promise<string> {
    const { table } = this.#before;
    const old = [...table.chains.values()];
    const fresh = [...this.#after.table.chains.values()];
    const lines: DiffLine[] = SaveLines.head(table).map((text) => ({ sign: ' ', text }));
    lines.push(
      ...merged(
        old.map((chain) => this.#before.chain(chain)),
        fresh.map((chain) => this.#after.chain(chain)),
      ),
    );
    const names = new Map([...old, ...fresh].map(({ name, builtin }) => [name, builtin]));
    const all = Array.from(names, ([name, builtin]) => ({ name, builtin }));
    const others = all.filter(({ builtin }) => !builtin).sort(byName);
    for (const { name } of [...all.filter(({ builtin }) => builtin), ...others]) {
      await this.#rules(name, lines);
    }
    lines.push({ sign: ' ', text: SaveLines.end });
    return unifiedDiff(lines, `${toolOf(table.family)} ${table.name}`);
  }

  async #rules(name: string, lines: DiffLine[]): Promise<void> {
    const then = this.#before.table.chains.get(name);
    const now = this.#after.table.chains.get(name);
    const [oldCount, freshCount] = [then?.length ?? 0, now?.length ?? 0];
    const { head, tail } = this.#untouched(name, oldCount, freshCount);
    const kept = (index: number): DiffLine => {
      return { sign: ' ', text: () => this.#before.rule(then!, index) };
    };
    for (let index = 0; index < head; index++) lines.push(kept(index));
    const [old, oldKeys] = await this.#texts(this.#before, then, head, oldCount - tail);
    const [fresh, freshKeys] = await this.#texts(this.#after, now, head, freshCount - tail);
    for (const line of merged(old, fresh, oldKeys, freshKeys)) lines.push(line);
    for (let index = oldCount - tail; index < oldCount; index++) lines.push(kept(index));
  }

  /** How many rules at both ends of a chain the edit leaves where they are. */
  #untouched(name: string, oldCount: number, freshCount: number): { head: number; tail: number } {
    const [from, to] = [this.#before.first(name), this.#after.first(name)];
    const most = Math.min(oldCount, freshCount);
    let [head, tail] = [0, 0];
    if (from === undefined || to === undefined) return { head, tail };
    while (head < most && this.#draft.item(to + head) === from + head) head++;
    const last = (index: number) => this.#draft.item(to + freshCount - 1 - index);
    while (tail < most - head && last(tail) === from + oldCount - 1 - tail) tail++;
    return { head, tail };
  }

  async #texts(
    of: TextOf,
    chain: Chain | undefined,
    from: number,
    to: number,
  ): Promise<[texts: string[], keys: string[]]> {
    const texts: string[] = [];
    const keys: string[] = [];
    for (let index = from; chain !== undefined && index < to; index++) {
      const text = of.rule(chain, index);
      texts.push(text);
      keys.push(of.key(chain, index, text));
      if (++this.#formatted % stretch === 0) await breathe();
    }
    return [texts, keys];
  }
}
