// A rule as text and as JSON. Pure. Does not know where the parts of a rule come from.
import type { Kind, Typed } from '../extensions/define.js';
import { print } from '../extensions/print.js';
import { bare } from '../text/words.js';
import { extensionFor } from './check.js';
import type { RuleHead } from './head.js';
import { printHead } from './head.js';
import type { Match, RuleContext, Target } from './types.js';
import { isVerdict } from './types.js';

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** The text of a match or target, with a blank in front. */
function printPart(kind: Kind, given: Match | Target, context: RuleContext): string {
  if (given.name === 'raw') {
    const lead = kind === 'match' ? '-m' : '-j';
    return ` ${lead} ${bare(given.extension)} --raw-payload ${given.revision}:${hex(given.data)}`;
  }
  const extension = extensionFor(kind, given as Typed, context.family, undefined, () => given.name);
  return print(extension, given as Typed, context);
}

/** The text of a rule's parts, without a blank in front. */
export function printRule(
  head: RuleHead,
  matches: readonly Match[],
  target: Target | undefined,
  context: RuleContext,
): string {
  let text = printHead(head);
  for (const match of matches) text += printPart('match', match, context);
  if (target !== undefined) {
    if (target.name === 'jump') text += ` -j ${bare(target.chain)}`;
    else if (target.name === 'goto') text += ` -g ${bare(target.chain)}`;
    else if (isVerdict(target.name)) text += ` -j ${target.name}`;
    else text += printPart('target', target, context);
  }
  return text.slice(1);
}

/** A plain value without big integers and bytes, which JSON does not have. */
export function jsonForm(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return value.map(jsonForm);
  if ('toJSON' in value && typeof value.toJSON === 'function') return value.toJSON();
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, jsonForm(each)]));
}
