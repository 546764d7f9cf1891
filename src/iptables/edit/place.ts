// What iptables refuses because of the chain and the table of a rule. Does not know what the table holds.
import type { Rule } from '../rule/rule.js';
import type { RuleInit } from '../rule/types.js';
import { refused } from '../text/refused.js';

export function noFiltering(path: string): RangeError {
  return refused(path, 'the table nat is not for filtering, DROP is not allowed in it');
}

/** xshared.c, do_parse. */
export function checkPlace(
  init: RuleInit | Rule,
  chain: string,
  table: string | undefined,
  path: string,
): void {
  if (init.out !== undefined && (chain === 'PREROUTING' || chain === 'INPUT')) {
    throw refused(`${path}.out`, `no outgoing interface is known in ${chain}`);
  }
  if (init.in !== undefined && (chain === 'POSTROUTING' || chain === 'OUTPUT')) {
    throw refused(`${path}.in`, `no incoming interface is known in ${chain}`);
  }
  if (table === 'nat' && init.target?.name === 'DROP') {
    throw noFiltering(`${path}.target`);
  }
}
