// Match u32: compares parts of the packet with numbers (struct xt_u32).

import { badRange, badType } from '../../errors.js';
import { leadingNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { ArgumentPlace, Known, Not, Place, Store, ValueType } from './define.js';
import { both, match } from './define.js';
import { integer, ordered, rangeOf } from './number-values.js';
import { onlyFields } from './only-fields.js';
import type { Range } from './stores.js';
import { bit, u8, u32 as word } from './stores.js';

/** One step of a location, from left to right. */
export interface U32Step {
  /**
   * `&`: keeps these bits; `<<`, `>>`: shifts by 0…31; `@`: moves the place of reading on by the number so far, and
   * reads the next 4 bytes at this offset from there.
   */
  readonly operator: '&' | '<<' | '>>' | '@';
  readonly number: number;
}

/** One comparison: 4 bytes of the packet in network order, the steps on them, and the values that they may have. */
export interface U32Test {
  /** The place of the first 4 bytes, counted from the IP header. */
  readonly offset: number;
  /** At most 9. */
  readonly steps?: readonly U32Step[];
  /** 1…10 numbers and ranges. One of them must fit. */
  readonly values: readonly (number | Range)[];
}

export interface U32Match extends Known {
  readonly name: 'u32';
  /** 1…10 tests that must all succeed. */
  readonly tests: Not<readonly U32Test[]>;
}

/** XT_U32_MAXSIZE; the arrays have one element more, which iptables never fills. */
const slots = 10;
const most = 0xffffffff;
const operators = ['&', '<<', '>>', '@'] as const;

function sized<T>(list: readonly T[], what: string, path: string, max = slots): readonly T[] {
  if (list.length === 0) throw badRange(path, `at least one ${what}`, list);
  if (list.length > max) throw refused(path, `${list.length} ${what}s, more than ${max}`);
  return list;
}

function checkStep(step: unknown, at: Place): U32Step {
  if (typeof step !== 'object' || step === null || !('operator' in step && 'number' in step)) {
    throw badType(at.path, '{ operator, number }', step);
  }
  onlyFields(step, at.path, ['operator', 'number']);
  const operator = operators.find((each) => each === step.operator);
  if (operator === undefined) {
    throw badRange(`${at.path}.operator`, `one of ${operators.join(' ')}`, step.operator);
  }
  // xt_u32.c refuses longer shifts.
  const max = operator.length === 2 ? 31 : most;
  return { operator, number: integer(step.number, { ...at, path: `${at.path}.number` }, 0, max) };
}

function checkValue(value: unknown, at: Place): number | Range {
  if (typeof value === 'number') return integer(value, at, 0, most);
  const ends = rangeOf(value, at, 'a number');
  const low = integer(ends.from, { ...at, path: `${at.path}.from` }, 0, most);
  const high = integer(ends.to, { ...at, path: `${at.path}.to` }, 0, most);
  // Also takes a range from high to low: iptables 1.8.9 takes, saves and restores it.
  return ordered(low, high, at, true);
}

function array(value: unknown, path: string): unknown[] {
  if (!Array.isArray(value)) throw badType(path, 'an array', value);
  return value;
}

function checkTest(test: unknown, at: Place): U32Test {
  if (typeof test !== 'object' || test === null || !('offset' in test && 'values' in test)) {
    throw badType(at.path, '{ offset, steps?, values }', test);
  }
  onlyFields(test, at.path, ['offset', 'steps', 'values']);
  const inside = (name: string) => ({ ...at, path: `${at.path}.${name}` });
  const offset = integer(test.offset, inside('offset'), 0, most);
  const steps = array(
    'steps' in test && test.steps !== undefined ? test.steps : [],
    `${at.path}.steps`,
  );
  if (steps.length >= slots) throw refused(`${at.path}.steps`, `more than ${slots - 1} steps`);
  const values = sized(array(test.values, `${at.path}.values`), 'value', `${at.path}.values`);
  return {
    offset,
    ...(steps.length > 0 && {
      steps: steps.map((step, index) => checkStep(step, inside(`steps[${index}]`))),
    }),
    values: values.map((value, index) => checkValue(value, inside(`values[${index}]`))),
  };
}

/** Reads the tests of `--u32` from left to right. */
class Reader {
  #rest: string;
  readonly #at: ArgumentPlace;
  readonly #text: string;

  constructor(text: string, at: ArgumentPlace) {
    this.#text = text;
    this.#rest = text;
    this.#at = at;
  }

  tests(): U32Test[] {
    const tests: U32Test[] = [];
    do {
      const offset = this.#number();
      const steps: U32Step[] = [];
      while (!this.#take('=')) {
        const operator = operators.find((each) => this.#take(each));
        if (operator === undefined) this.#fail('an operator or =');
        steps.push({ operator, number: this.#number() });
      }
      const values: (number | Range)[] = [];
      do {
        const from = this.#number();
        values.push(this.#take(':') ? { from, to: this.#number() } : from);
      } while (this.#take(','));
      tests.push({ offset, steps, values });
    } while (this.#take('&&'));
    if (this.#rest !== '') this.#fail('a comma, && or the end');
    return tests;
  }

  #fail(expected: string): never {
    const column = this.#text.length - this.#rest.length;
    throw refused(this.#at.path, `expected ${expected} at character ${column} of ${this.#text}`);
  }

  /** White space, then this token. */
  #take(token: string): boolean {
    this.#rest = this.#rest.replace(/^[ \t\n\v\f\r]+/, '');
    if (!this.#rest.startsWith(token)) return false;
    this.#rest = this.#rest.slice(token.length);
    return true;
  }

  #number(): number {
    const number = leadingNumber(this.#rest);
    if (number === undefined || number.value > BigInt(most)) this.#fail('a 32-bit number');
    this.#rest = number.rest;
    return Number(number.value);
  }
}

const hex = (value: number) => `0x${value.toString(16)}`;

const type: ValueType<readonly U32Test[]> = {
  arity: 1,
  check(value, at) {
    const tests = sized(array(value, at.path), 'test', at.path);
    return tests.map((test, index) => checkTest(test, { ...at, path: `${at.path}[${index}]` }));
  },
  parse: (text, at) => type.check(new Reader(text, at).tests(), at),
  print(tests) {
    const one = ({ offset, steps = [], values }: U32Test) => {
      const location = steps.map((step) => `${step.operator}${hex(step.number)}`).join('');
      const wanted = values
        .map((each) => (typeof each === 'number' ? hex(each) : `${hex(each.from)}:${hex(each.to)}`))
        .join();
      return `${hex(offset)}${location}=${wanted}`;
    };
    return `"${tests.map(one).join('&&')}"`;
  },
};

const testSize = 180;
const valuesAt = 88;

const store: Store<readonly U32Test[]> = {
  read(payload, cx) {
    const count = u8(1980).read(payload, cx)!;
    if (count === 0 || count > slots) throw new Error(`${count} tests`);
    return Array.from({ length: count }, (_, index) => {
      const at = testSize * index;
      const numbers = u8(at + 176).read(payload, cx)!;
      const wanted = u8(at + 177).read(payload, cx)!;
      if (numbers === 0 || numbers > slots || wanted === 0 || wanted > slots) {
        throw new Error(`a test with ${numbers} numbers and ${wanted} values`);
      }
      const steps = Array.from({ length: numbers - 1 }, (_, step) => {
        const operator = operators[u8(at + 8 * (step + 1) + 4).read(payload, cx)!];
        if (operator === undefined) throw new Error('an unknown operator');
        return { operator, number: word(at + 8 * (step + 1)).read(payload, cx)! };
      });
      const values = Array.from({ length: wanted }, (_, value): number | Range => {
        const low = word(at + valuesAt + 8 * value).read(payload, cx)!;
        const high = word(at + valuesAt + 8 * value + 4).read(payload, cx)!;
        return low === high ? low : { from: low, to: high };
      });
      return { offset: word(at).read(payload, cx)!, ...(steps.length > 0 && { steps }), values };
    });
  },
  write(payload, tests, cx) {
    for (const [index, { offset, steps = [], values }] of tests.entries()) {
      const at = testSize * index;
      word(at).write(payload, offset, cx);
      for (const [step, { operator, number }] of steps.entries()) {
        word(at + 8 * (step + 1)).write(payload, number, cx);
        u8(at + 8 * (step + 1) + 4).write(payload, operators.indexOf(operator), cx);
      }
      for (const [value, each] of values.entries()) {
        const { from: low, to: high } = typeof each === 'number' ? { from: each, to: each } : each;
        word(at + valuesAt + 8 * value).write(payload, low, cx);
        word(at + valuesAt + 8 * value + 4).write(payload, high, cx);
      }
      u8(at + 176).write(payload, steps.length + 1, cx);
      u8(at + 177).write(payload, values.length, cx);
    }
    u8(1980).write(payload, tests.length, cx);
  },
};

export const u32 = match<U32Match>({
  name: 'u32',
  revision: 0,
  families: both,
  size: 1984,
  fields: { tests: { options: ['u32'], required: true, type, store, invert: bit(1981, 1) } },
});
