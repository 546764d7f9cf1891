// Random parts of rules, from a seed.
import type { Family } from '../../src/iptables/rule/rule.js';

/** Random numbers (mulberry32): the same seed gives the same numbers. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** An integer in `0 … below - 1`. */
  int(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)]!;
  }
  chance(percent: number): boolean {
    return this.int(100) < percent;
  }
  /** Some elements in their order, at least one. */
  some<T>(list: readonly T[]): T[] {
    const chosen = list.filter(() => this.chance(40));
    return chosen.length > 0 ? chosen : [this.pick(list)];
  }
  /** Text, or nothing. */
  maybe(percent: number, text: () => string): string {
    return this.chance(percent) ? ` ${text()}` : '';
  }
  /** `! ` in a third of all cases. */
  not(): string {
    return this.chance(33) ? '! ' : '';
  }
  port(): number {
    return this.pick([0, 1, 22, 80, 443, 1024, 65535, this.int(65536)]);
  }
  /** `anyOrder`: for options whose range may also go from high to low. */
  portRange(separator = ':', anyOrder = false): string {
    const ends: [number, number] = [this.port(), this.port()];
    const [a, b] = anyOrder ? ends : (ends.sort((x, y) => x - y) as [number, number]);
    // iptables-save leaves out a high end of 0 in the match conntrack.
    if (anyOrder && b === 0) return String(a);
    // Never all ports: iptables-save leaves that range out, and its negation too.
    return this.chance(50) || a === b || b - a === 65535 ? String(a) : `${a}${separator}${b}`;
  }
  address(family: Family): string {
    if (family === 'ipv4') return [0, 0, 0, 0].map(() => this.int(256)).join('.');
    const word = () => this.pick(['0', '0', '1', 'ffff', this.int(65536).toString(16)]);
    return [0, 0, 0, 0, 0, 0, 0, 0].map(word).join(':');
  }
  network(family: Family): string {
    return `${this.address(family)}/${this.int((family === 'ipv4' ? 32 : 128) + 1)}`;
  }
  u32(): number {
    return this.pick([0, 1, 0xff, 0xffffffff, this.int(0x100000000)]);
  }
}
