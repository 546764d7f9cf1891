// Cuts the connections of hosts that have too many, and bans these hosts. It looks again every time when `check` is called.
// limit-hosts.test.ts tests it without a kernel.
import type { Conntrack, Iptables } from 'conntrack';

export class HostLimit {
  readonly #table: Conntrack;
  readonly #rules: Iptables;
  readonly #most: number;

  constructor(table: Conntrack, rules: Iptables, most: number) {
    this.#table = table;
    this.#rules = rules;
    this.#most = most;
  }

  /** Returns the hosts that were banned. */
  async check(): Promise<string[]> {
    const flows = await this.#table.dump({ family: 'ipv4' });
    const hosts = flows
      .groupBy('origSrc')
      .filter(({ count }) => count > this.#most)
      .map(({ origSrc }) => origSrc);
    if (hosts.length === 0) return [];
    // First the rule, so that no new connection comes while the old ones are cut.
    await this.#rules.edit('filter', (filter) => {
      const forward = filter.chain('FORWARD');
      for (const rule of hosts.map((host) => `-s ${host} -j DROP`)) {
        if (!forward.has(rule)) forward.insert(rule);
      }
    });
    await this.#table.deleteWhere({ src: hosts });
    return hosts;
  }
}
