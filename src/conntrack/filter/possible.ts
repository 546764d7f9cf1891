// Whether any flow can match a filter that has filters in it. A filter that nothing can match is a mistake.
//
// The search takes one branch of each "one of these" of the formula after the other, and notes for each field what is
// left. It is given up after a number of steps, and then the answer is "possible". So "impossible" is a proof.
import { AF_INET, AF_INET6, protocolHasPorts, protocolNumbers } from '../../constants.js';
import {
  absent,
  type BitsAre,
  type Both,
  complement,
  type Formula,
  firstState,
  intersect,
  most,
  opposite,
  type Ranges,
  Reading,
  sides,
  six,
  universeOf,
  type Within,
} from './formula.js';
import type { CheckedFilter } from './types.js';

/** Steps of one search. */
const patience = 1000;

/** What the protocols that the package knows have. */
const protocols = Object.values(protocolNumbers).map((protocol) => ({
  number: BigInt(protocol),
  ports: protocolHasPorts(protocol),
  /** The family of this ICMP. */
  icmp: { [protocolNumbers.icmp]: AF_INET, [protocolNumbers.icmpv6]: AF_INET6 }[protocol as number],
  /** The first of its states. */
  states: {
    [protocolNumbers.tcp]: firstState.tcp,
    [protocolNumbers.sctp]: firstState.sctp,
    [protocolNumbers.dccp]: firstState.dccp,
  }[protocol as number],
}));
/** The others have nothing of this. */
const otherProtocols = complement(
  protocols
    .map(({ number }) => number)
    .sort((a, b) => Number(a - b))
    .flatMap((number) => [number, number]),
  universeOf('protocol'),
);

/** What is left for each field. */
class World {
  constructor(
    private readonly ranges = new Map<string, Ranges>(),
    private readonly bits = new Map<string, { mask: bigint; value: bigint }>(),
  ) {}

  copy(): World {
    return new World(new Map(this.ranges), new Map(this.bits));
  }

  /** False if nothing is left. */
  add(condition: Within | BitsAre): boolean {
    const { key } = condition;
    if ('ranges' in condition) {
      const left = intersect(this.ranges.get(key) ?? universeOf(key), condition.ranges);
      this.ranges.set(key, left);
      return left.length > 0;
    }
    const known = this.bits.get(key) ?? { mask: 0n, value: 0n };
    if ((known.mask & condition.mask & (known.value ^ condition.value)) !== 0n) return false;
    const [mask, value] = [known.mask | condition.mask, known.value | condition.value];
    this.bits.set(key, { mask, value });
    return true;
  }

  #left(key: string): Ranges {
    return this.ranges.get(key) ?? universeOf(key);
  }
  #has(key: string, from: bigint, to: bigint): boolean {
    return intersect(this.#left(key), [from, to]).length > 0;
  }
  #mayLack(key: string): boolean {
    return this.#has(key, absent, absent);
  }

  /** Whether the fields that are left go together: family, addresses, protocol, ports, ICMP, state. */
  possible(): boolean {
    const families = [AF_INET, AF_INET6].filter(
      (family) =>
        this.#has('family', BigInt(family), BigInt(family)) &&
        sides.every((side) =>
          family === AF_INET
            ? this.#has(`address${side}`, 0n, six - 1n)
            : this.#has(`address${side}`, six, six + most),
        ),
    );
    const noPorts = sides.every((side) => this.#mayLack(`port${side}`));
    const icmp = [0, 1].flatMap((way) => [`icmpType${way}`, `icmpCode${way}`, `icmpId${way}`]);
    const noIcmp = icmp.every((key) => this.#mayLack(key));
    const noState = this.#mayLack('state');
    const others = intersect(this.#left('protocol'), otherProtocols).length > 0;
    if (others && noPorts && noIcmp && noState && families.length > 0) return true;
    return protocols.some(({ number, ports, icmp, states }) => {
      if (!this.#has('protocol', number, number)) return false;
      if ((!noPorts && !ports) || (!noIcmp && icmp === undefined)) return false;
      if (!noState && (states === undefined || !this.#has('state', states, states + 31n))) {
        return false;
      }
      return families.some((family) => icmp === undefined || family === icmp);
    });
  }
}

function search(formulas: readonly Formula[], world: World, budget: { left: number }): boolean {
  const todo = [...formulas];
  const choices: (readonly Formula[])[] = [];
  for (let formula = todo.pop(); formula !== undefined; formula = todo.pop()) {
    if ('all' in formula) for (const part of formula.all) todo.push(part);
    else if ('some' in formula) choices.push(formula.some);
    else {
      if ('ranges' in formula) budget.left -= formula.ranges.length >> 6;
      if (!world.add(formula)) return false;
    }
  }
  if (!world.possible()) return false;
  if (choices.length === 0) return true;
  choices.sort((a, b) => b.length - a.length);
  const branches = choices.pop()!;
  const others = choices.map((some): Formula => ({ some }));
  for (const branch of branches) {
    budget.left -= 1 + (others.length >> 4);
    if (budget.left < 0) return true;
    if (search([branch, ...others], world.copy(), budget)) return true;
  }
  return false;
}

/** Throws for a filter in which the filters of `any` and `not`, or `host` and `port`, leave nothing to match. */
export function refuseImpossible(filter: CheckedFilter, path: string): void {
  const { host, port, any, not } = filter;
  if (!(host || port || any || not)) return;
  const reading = new Reading();
  const formulas = reading.conditions(filter).map(({ yes }) => yes);
  const add = (part: Both, field: string, why: string) => {
    formulas.push(part.yes);
    if (search(formulas, new World(), { left: patience })) return;
    throw new RangeError(`${path}.${field}: ${why}: nothing could match`);
  };
  const beside = 'the conditions beside it';
  if (host) add(reading.anySide({ host })[0]!, 'host', `no such address goes with ${beside}`);
  if (port) add(reading.anySide({ port })[0]!, 'port', `no such port goes with ${beside}`);
  if (any) add(reading.any(any), 'any', `none of these filters goes with ${beside}`);
  if (not) {
    add(opposite(reading.whole(not)), 'not', `excludes every flow that ${beside} leave`);
  }
}
