// What two rules have in common exactly when they say the same. Knows no bytes: rules of any source compare.
import type { Kind } from '../extensions/define.js';
import { registry } from '../extensions/index.js';
import type { ReadHead } from './head.js';
import { headMeaning } from './head.js';
import { hex } from './print.js';
import type { Match, RuleContext, Target } from './types.js';

/** The form by which an extension is compared, whatever its revision. */
function meaningOf(
  kind: Kind,
  each: { readonly name: string; readonly revision?: number | undefined },
  { family }: RuleContext,
): object {
  const { name, revision } = each;
  const extension =
    revision === undefined
      ? registry.newest(family, kind, name)
      : registry.find(family, kind, name, revision);
  const meaning = extension?.meaning?.({ ...each }, { family }) ?? each;
  return { ...meaning, revision: undefined };
}

function partMeaning(kind: Kind, each: Match | Target, context: RuleContext): unknown {
  if (each.name === 'raw') return ['raw', each.extension, each.revision, hex(each.data)];
  return meaningOf(kind, each, context);
}

const bigintAsText = (_: string, value: unknown) =>
  typeof value === 'bigint' ? `${value}n` : value;

/**
 * The key of a rule: of typed values where the package knows the extension, of bytes where not. Unlike
 * iptables' `-D` and `-C` it holds all of helper and connlabel. `rest`: what the rule holds that no field says.
 */
export function meaningKey(
  head: ReadHead,
  matches: readonly Match[],
  target: Target | undefined,
  context: RuleContext,
  rest?: string,
): string {
  const parts = [
    headMeaning(head, context.names),
    ...matches.map((each) => partMeaning('match', each, context)),
    target === undefined ? null : partMeaning('target', target, context),
  ];
  const key = `${context.family} ${JSON.stringify(parts, bigintAsText)}`;
  return rest === undefined ? key : `${key} ${rest}`;
}
