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

/** How many rules are compared without a pause. */
const stretch = 2048;

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
}

/** The lines of two lists in one, by the keys of their lines. Those with equal keys are the same. */
function* merged(
  old: readonly string[],
  fresh: readonly string[],
  oldLine: (index: number) => DiffLine['text'],
  freshLine: (index: number) => DiffLine['text'],
): Generator<DiffLine> {
  const [forth, back] = align(old, fresh);
  let at = 0;
  for (let index = 0; index <= old.length; index++) {
    const to = index < old.length ? forth[index] : fresh.length;
    if (to === undefined) {
      yield { sign: '-', text: oldLine(index) };
      continue;
    }
    for (; at < to; at++) if (back[at] === undefined) yield { sign: '+', text: freshLine(at) };
    if (index === old.length) return;
    yield { sign: ' ', text: oldLine(index) };
    at++;
  }
}

export class DraftText {
  readonly #before: TextOf;
  readonly #after: TextOf;
  readonly #draft: DraftReading;
  #made = 0;

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
    const were = old.map((chain) => this.#before.chain(chain));
    const are = fresh.map((chain) => this.#after.chain(chain));
    lines.push(
      ...merged(
        were,
        are,
        (index) => were[index]!,
        (index) => are[index]!,
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
    const was = (index: number) => () => this.#before.rule(then!, index);
    const is = (index: number) => () => this.#after.rule(now!, index);
    const kept = (from: number, to: number) => {
      for (let index = from; index < to; index++) lines.push({ sign: ' ', text: was(index) });
    };
    const keys = async (of: TextOf, to: number, content: (index: number) => string) => {
      const found: string[] = [];
      for (let index = head; index < to; index++) {
        found.push(content(of.first(name)! + index));
        if (++this.#made % stretch === 0) await breathe();
      }
      return found;
    };
    kept(0, head);
    const reading = Table.readingOf(this.#before.table);
    const old = await keys(this.#before, oldCount - tail, (index) => reading.content(index));
    const fresh = await keys(this.#after, freshCount - tail, (index) => this.#draft.content(index));
    const between = merged(
      old,
      fresh,
      (index) => was(head + index),
      (index) => is(head + index),
    );
    for (const line of between) lines.push(line);
    kept(oldCount - tail, oldCount);
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
}
