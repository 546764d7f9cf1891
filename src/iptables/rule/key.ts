// The key of a rule. Two rules have the same key exactly if they mean the same. Knows no bytes, so it compares rules
// of any source.
import type { Kind } from '../extensions/define.js';
import { registry } from '../extensions/index.js';
import type { ReadHead } from './head.js';
import { headMeaning } from './head.js';
import { hex } from './print.js';
import type { Match, RuleContext, Target } from './types.js';

/** The form of an extension for comparisons. It does not depend on the revision. */
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

const queue: Target = { name: 'NFQUEUE', num: 0 };

function partMeaning(kind: Kind, each: Match | Target, context: RuleContext): unknown {
  if (each.name === 'raw') return ['raw', each.extension, each.revision, hex(each.data)];
  // The same verdict. A rule in nf_tables has only the target.
  if (each.name === 'QUEUE') return meaningOf(kind, queue, context);
  return meaningOf(kind, each, context);
}

const bigintAsText = (_: string, value: unknown) =>
  typeof value === 'bigint' ? `${value}n` : value;

/**
 * The key of a rule. It has typed values if the package knows the extension, else bytes. Unlike iptables' `-D` and
 * `-C` it covers all of helper and connlabel. `rest`: what the rule holds and no field can express.
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
