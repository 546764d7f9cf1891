// The async iterator of event streams. It pulls a run of events when it needs one, and gives its items.
import type { RawSegment } from '../../native/binding.js';
import type { EventSource } from './event-source.js';

/** Gives the next item of a segment, undefined at its end, and tells the source how many events it gave. */
export type TakeItem<Item> = () => Item | undefined;

const done: IteratorResult<never, undefined> = { done: true, value: undefined };

export class PullIterator<Item> implements AsyncIterableIterator<Item, undefined> {
  readonly #source: EventSource;
  readonly #unpack: (segment: RawSegment) => TakeItem<Item>;
  #take: TakeItem<Item> | undefined;
  /** Calls of next() that wait. They are answered one after the other. */
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();
  /** Held so that a stream that is being read is not taken for a dropped one. */
  readonly owner: object;

  constructor(owner: object, source: EventSource, unpack: (segment: RawSegment) => TakeItem<Item>) {
    source.claim();
    this.owner = owner;
    this.#source = source;
    this.#unpack = unpack;
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    if (this.#waiting === 0) {
      const value = this.#here();
      if (value !== undefined) return Promise.resolve({ done: false, value });
    }
    this.#waiting++;
    const turn = this.#last.then(() => this.#fetch()).finally(() => this.#waiting--);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Leaving the loop ends the stream. */
  async return(): Promise<IteratorResult<Item, undefined>> {
    await this.#source.close();
    return done;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source.close();
  }

  #here(): Item | undefined {
    return this.#source.ended ? undefined : this.#take?.();
  }

  async #fetch(): Promise<IteratorResult<Item, undefined>> {
    for (;;) {
      const value = this.#here();
      if (value !== undefined) return { done: false, value };
      const segment = await this.#source.pull();
      if (segment === null) {
        this.#take = undefined;
        return done;
      }
      this.#take = this.#unpack(segment);
    }
  }
}
