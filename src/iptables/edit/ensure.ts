// Where `ensure` puts the rules that a chain lacks: what a caller gives, and its check. Knows no rules.
import { fieldsAt } from '../../checks.js';
import { badRange, badType } from '../../errors.js';
import type { RuleInput } from '../rule/rule.js';

/**
 * Where `ensure` adds the rules that are missing, all of them in one place. `'last'`: at the end of the chain.
 * `'first'`: before all others. A number: before the rule that has this index now. `before` and `after`: beside the
 * first rule that means the same as the given one.
 */
export type EnsurePlace =
  | number
  | 'first'
  | 'last'
  | {
      /** Directly before this rule. */
      readonly before: RuleInput;
    }
  | {
      /** Directly behind this rule. */
      readonly after: RuleInput;
    };

/** A place after its check. `path`: of the rule in messages. */
export type CheckedPlace =
  | number
  | 'last'
  | { readonly rule: RuleInput; readonly path: string; readonly behind: 0 | 1 };

const fields = new Set(['before', 'after']);
const expected = "an index, 'first', 'last', { before: rule } or { after: rule }";

export function ensurePlaceAt(value: unknown, path: string): CheckedPlace {
  if (value === 'last') return 'last';
  if (value === 'first') return 0;
  if (typeof value === 'string') throw badRange(path, expected, value);
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) throw badType(path, expected, value);
    if (value < 0) throw badRange(path, expected, value);
    return value;
  }
  const given = fieldsAt(value, path, fields, expected);
  const names = Object.keys(given);
  if (names.length !== 1) throw badRange(path, 'either before or after', value);
  const name = names[0] as 'before' | 'after';
  return {
    rule: given[name] as RuleInput,
    path: `${path}.${name}`,
    behind: name === 'after' ? 1 : 0,
  };
}
