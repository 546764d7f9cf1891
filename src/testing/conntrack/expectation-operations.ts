// The functions of native code for expectations, over a table in memory. Decodes requests and encodes answers.
import type { Handle } from '../../native/binding.js';
import { answersOf, askedOf } from './expectation-bytes.js';
import type { Expected } from './expectation-table.js';
import { MemoryOperations } from './operations.js';
import { refuse } from './refusal.js';
import { namedAt } from './tuple.js';

export class ExpectationOperations extends MemoryOperations {
  ctExpectList(_: Handle, master: Uint8Array | null): Promise<ArrayBuffer | undefined> {
    const named = master === null ? undefined : namedAt(master, 0);
    return this.later('conntrack expectation list', undefined, () => {
      const { expectations, table } = this.world;
      const of = named && this.find(named, 'conntrack expectation list');
      const isMeant = (one: Expected) => named === undefined || one.master === of;
      return answersOf([...expectations.all].filter(isMeant), table.now);
    });
  }

  ctExpectGet(_: Handle, tuple: Uint8Array): Promise<ArrayBuffer | undefined> {
    const named = namedAt(tuple, 0);
    return this.later('conntrack expectation get', undefined, () => {
      const { expectations, table } = this.world;
      const found = expectations.find(named);
      return answersOf(found === undefined ? [] : [found], table.now);
    });
  }

  ctExpectStats(): Promise<{ cpu: number; counters: number[] }[]> {
    return this.later('conntrack expectation stats', undefined, () => {
      const { counts } = this.world.expectations;
      // By the numbers of CTA_STATS_EXP_*.
      return [{ cpu: 0, counters: [0, counts.new, counts.create, counts.delete] }];
    });
  }

  ctExpectCreate(_: Handle, packed: Uint8Array): Promise<void> {
    const { asked, name, of } = askedOf(packed);
    return this.later('conntrack expectation create', undefined, () => {
      const answer = this.world.expectations.create(asked, name, of);
      if (answer.errno !== 0) refuse('conntrack expectation create', answer);
    });
  }

  ctExpectDelete(_: Handle, tuple: Uint8Array): Promise<boolean> {
    const named = namedAt(tuple, 0);
    return this.later('conntrack expectation delete', undefined, () => {
      const found = this.world.expectations.find(named);
      if (found !== undefined) this.world.expectations.end(found);
      return found !== undefined;
    });
  }

  ctExpectFlush(_: Handle, helper: string | null): Promise<void> {
    return this.later('conntrack expectation flush', undefined, () => {
      this.world.expectations.endWhere(({ master }) => helper === null || master.helper === helper);
    });
  }
}
