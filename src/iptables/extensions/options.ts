// The options of an extension as the parser of rules sees them: each reads its argument into a draft of the typed
// form. Made from the description. Knows nothing about words and their order.
import { refused } from '../text/refused.js';
import type { Alias, AnyField, ArgumentPlace, Draft, Extension, Spelling } from './define.js';

type AnyDraft = Draft<Record<string, unknown>>;

/** One option, which may have several names. */
export interface Option {
  /** The names without dashes. All mean the same. */
  readonly names: readonly string[];
  readonly arity: 0 | 1;
  readonly invertible: boolean;
  readonly repeat: boolean;
  /** Options that are not allowed together with it. */
  readonly excludes: readonly string[];
  /** The field that it sets, for messages. */
  readonly field: string | undefined;
  apply(draft: AnyDraft, text: string, at: ArgumentPlace): void;
}

function put(draft: AnyDraft, field: string, value: unknown, at: ArgumentPlace) {
  if (draft[field] !== undefined) {
    throw refused(
      at.path,
      `cannot be used together with ${at.setBy[field] ?? 'what sets the same'}`,
    );
  }
  draft[field] = at.inverted ? { not: value } : value;
  at.setBy[field] = at.option;
}

function fromField(field: AnyField): Option {
  return {
    names: field.options!,
    arity: field.type.arity,
    invertible: field.invert !== undefined,
    repeat: false,
    excludes: [],
    field: field.key,
    apply(draft, text, at) {
      put(draft, field.key, field.type.parse(text, at), at);
    },
  };
}

function fromSpelling(spelling: Spelling<Record<string, unknown>>): Option {
  return {
    names: [spelling.option, ...(spelling.also ?? [])],
    arity: spelling.arity ?? 1,
    invertible: spelling.invertible ?? false,
    repeat: spelling.repeat ?? false,
    excludes: spelling.excludes ?? [],
    field: spelling.field,
    apply(draft, text, at) {
      const value = spelling.parse(text, at, draft);
      if (spelling.field !== undefined) put(draft, spelling.field, value, at);
    },
  };
}

const made = new WeakMap<object, readonly Option[]>();

/** The options that text may use after `-m name` or `-j NAME`. */
export function optionsOf(source: Extension | Alias<Record<string, unknown>>): readonly Option[] {
  let options = made.get(source);
  if (options === undefined) {
    const fields = 'fields' in source ? source.fields : [];
    options = [
      ...fields.filter((field) => field.options !== undefined).map(fromField),
      ...source.spellings.map(fromSpelling),
    ];
    made.set(source, options);
  }
  return options;
}
