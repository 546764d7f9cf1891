// The flows in memory: found by their tuples, made, ended, and expired by a clock of its own. Tells each event. Knows no
// request and no caller.
import { statusBits } from '../../constants.js';
import type { Entry } from './entry.js';
import { type FlowNews, news } from './rows.js';
import type { Settings } from './settings.js';
import { keyOf, type Tuple, type Zone, zoneIn } from './tuple.js';

/** Where a tuple was found. */
interface Hit {
  readonly entry: Entry;
  readonly reply: boolean;
}

/** Follows the table. */
export interface Follower {
  take(news: FlowNews): void;
}

export class FlowTable {
  readonly settings: Settings;
  /** In the order in which they were made. */
  readonly entries = new Set<Entry>();
  readonly followers = new Set<Follower>();
  /** Called when a flow has ended. */
  readonly onEnd = new Set<(entry: Entry) => void>();
  /** Called when time has passed. */
  readonly onTime = new Set<(now: number) => void>();
  /** Flows that netlink made, and those that had to make room or could not. */
  readonly counts = { insert: 0, drop: 0, earlyDrop: 0 };
  readonly #byTuple = new Map<string, Hit[]>();
  readonly #epoch: bigint;
  #requester = 0;
  #now = 0;
  #ticks = 0n;
  #made = 0;

  constructor(settings: Settings, epoch: number) {
    this.settings = settings;
    this.#epoch = BigInt(epoch) * 1_000_000n;
  }

  /** Milliseconds since the table was made. */
  get now(): number {
    return this.#now;
  }

  /** Nanoseconds since the epoch. No two readings are the same. */
  time(): bigint {
    return this.#epoch + BigInt(this.#now) * 1_000_000n + this.#ticks++;
  }

  /** A number that no other flow of the table has. */
  nextId(): number {
    // An odd factor gives each number of 32 bits once.
    return Math.imul(++this.#made, 0x9e3779b1) >>> 0;
  }

  /** Whether a flow that is made now will tell its events. */
  get reports(): boolean {
    const { events } = this.settings.values;
    return events === 1 || (events === 2 && this.followers.size > 0);
  }

  find(protocol: number, tuple: Tuple, zone: Zone): Hit | undefined {
    const orig = zoneIn(zone, false);
    const reply = zoneIn(zone, true);
    return (
      this.#hit(protocol, tuple, orig, zone) ??
      (reply === orig ? undefined : this.#hit(protocol, tuple, reply, zone))
    );
  }

  #hit(protocol: number, tuple: Tuple, in_: number, zone: Zone): Hit | undefined {
    const hits = this.#byTuple.get(keyOf(protocol, tuple, in_));
    return hits?.find((hit) => zoneIn(hit.entry.zone, hit.reply) === zoneIn(zone, hit.reply));
  }

  /** Whether there is room for one more flow. In a full table the oldest that is not assured gives way. */
  room(): boolean {
    const { max } = this.settings.values;
    if (max === 0 || this.entries.size < max) return true;
    for (const entry of this.entries) {
      if ((entry.status & statusBits.assured) !== 0) continue;
      this.counts.earlyDrop++;
      this.end(entry);
      return true;
    }
    return false;
  }

  /** False: another flow has one of its tuples. */
  add(entry: Entry): boolean {
    const { protocol, orig, reply, zone } = entry;
    const taken =
      this.find(protocol, orig, zone) ?? this.#hit(protocol, reply, zoneIn(zone, true), zone);
    if (taken) return false;
    this.entries.add(entry);
    this.#index(entry, orig, false);
    this.#index(entry, reply, true);
    return true;
  }

  #index(entry: Entry, tuple: Tuple, reply: boolean): void {
    const key = keyOf(entry.protocol, tuple, zoneIn(entry.zone, reply));
    const hits = this.#byTuple.get(key);
    if (hits === undefined) this.#byTuple.set(key, [{ entry, reply }]);
    else hits.unshift({ entry, reply }); // the kernel finds the newest first
  }

  #forget(entry: Entry, tuple: Tuple, reply: boolean): void {
    const key = keyOf(entry.protocol, tuple, zoneIn(entry.zone, reply));
    const left = this.#byTuple.get(key)?.filter((hit) => hit.entry !== entry) ?? [];
    if (left.length === 0) this.#byTuple.delete(key);
    else this.#byTuple.set(key, left);
  }

  /** Ends a flow. */
  end(entry: Entry): void {
    if (!this.entries.delete(entry)) return;
    this.#forget(entry, entry.orig, false);
    this.#forget(entry, entry.reply, true);
    entry.status |= statusBits.dying;
    if (entry.start !== undefined) entry.stop = this.time();
    this.tell('destroy', entry, news.all);
    for (const each of this.onEnd) each(entry);
  }

  /** The port id of the socket whose request is worked on; 0: none. */
  get requester(): number {
    return this.#requester;
  }

  /** Does work that a request over a socket with this port id wants; 0: what the kernel does by itself. */
  by<T>(portid: number, work: () => T): T {
    const before = this.#requester;
    this.#requester = portid;
    try {
      return work();
    } finally {
      this.#requester = before;
    }
  }

  /** Tells what has happened to a flow, where the flow tells anything. */
  tell(type: FlowNews['type'], entry: Entry, told: number): void {
    if (!entry.reports) return;
    const timestamp = entry.start === undefined ? undefined : this.time();
    const event: FlowNews = {
      ...{ type, flow: { ...entry }, told, at: this.#now, timestamp },
      portid: this.#requester,
    };
    for (const follower of [...this.followers]) follower.take(event);
  }

  /** Ends flows whose time is over. */
  expire(): void {
    this.by(0, () => {
      const over = [...this.entries].filter(({ expires }) => expires <= this.#now);
      for (const entry of over) this.end(entry);
      for (const each of this.onTime) each(this.#now);
    });
  }

  /** Lets time pass. Each flow ends at its own time. */
  advance(milliseconds: number): void {
    const until = this.#now + milliseconds;
    for (;;) {
      let next = until;
      for (const { expires } of this.entries) if (expires < next) next = expires;
      this.#now = Math.max(this.#now, next);
      this.expire();
      if (this.#now >= until) return;
    }
  }
}
