// The ways in which programs copy a rule, and a check that each copy is still the same rule.

import { hex } from '../../src/iptables/rule/print.js';
import type { RuleOptions } from '../../src/iptables/rule/rule.js';
import { givenRule, Rule } from '../../src/iptables/rule/rule.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';

/** Each way to copy, by its name. */
export const copiers: Record<string, (rule: Rule) => unknown> = {
  spread: (rule) => ({ ...rule }),
  assign: (rule) => Object.assign({}, rule),
  'structured clone': (rule) => structuredClone(rule),
  JSON: (rule) => JSON.parse(JSON.stringify(rule)),
  entries: (rule) => Object.fromEntries(Object.entries(rule)),
  // lodash clones in this way.
  'assign to its prototype': (rule) => Object.assign(Object.create(Rule.prototype), rule),
  descriptors: (rule) =>
    Object.create(Rule.prototype, Object.getOwnPropertyDescriptors(rule)) as unknown,
  'no prototype': (rule) => Object.assign(Object.create(null), rule),
  with: (rule) => rule.with(),
};

/** Descriptions of the copies that do not give the same bytes as the rule's own fields. */
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
