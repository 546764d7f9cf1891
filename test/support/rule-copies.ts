// The ways in which programs copy a rule, and whether each of the copies is still the rule.

import { encodeRule } from '../../src/iptables/legacy/rule-bytes.js';
import { hex } from '../../src/iptables/rule/print.js';
import type { RuleOptions } from '../../src/iptables/rule/rule.js';
import { givenRule, Rule } from '../../src/iptables/rule/rule.js';

/** By the name of the way. */
export const copiers: Record<string, (rule: Rule) => unknown> = {
  spread: (rule) => ({ ...rule }),
  assign: (rule) => Object.assign({}, rule),
  'structured clone': (rule) => structuredClone(rule),
  JSON: (rule) => JSON.parse(JSON.stringify(rule)),
  entries: (rule) => Object.fromEntries(Object.entries(rule)),
  // As lodash clones.
  'assign to its prototype': (rule) => Object.assign(Object.create(Rule.prototype), rule),
  descriptors: (rule) =>
    Object.create(Rule.prototype, Object.getOwnPropertyDescriptors(rule)) as unknown,
  'no prototype': (rule) => Object.assign(Object.create(null), rule),
  with: (rule) => rule.with(),
};

/** For each copy that does not give the bytes that the rule's own fields give, what it is. */
export function lostInCopies(rule: Rule, options: RuleOptions): string[] {
  const lost: string[] = [];
  const encoded = (given: unknown) => hex(encodeRule(givenRule(given as Rule, 'rule'), options));
  const wanted = hex(encodeRule({ ...rule }, options));
  for (const [way, copy] of Object.entries(copiers)) {
    try {
      if (encoded(copy(rule)) !== wanted) lost.push(`a copy by ${way} is another rule`);
    } catch (error) {
      lost.push(`a copy by ${way} is refused: ${(error as Error).message}`);
    }
  }
  return lost;
}
