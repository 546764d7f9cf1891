// The flows that helpers expect, in memory: made, met, ended with their masters and by time. What the kernel does is in
// nf_conntrack_expect.c and, for requests, in nf_conntrack_netlink.c. Knows no bytes.
import type { Entry } from './entry.js';
import type { FlowTable } from './flow-table.js';
import { functionNames, helperFits, policyOf } from './helpers.js';
import { type Answer, done, errno } from './refusal.js';
import { keyOf, type Named, sameBytes, type Tuple } from './tuple.js';

const inactive = 2;
const permanent = 1;

/** The source before translation, and the direction that is translated. */
export interface ExpectedNat {
  readonly direction: 0 | 1;
  readonly source: Tuple;
}

/** What is expected. */
export interface Expected {
  readonly id: number;
  readonly family: 2 | 10;
  readonly protocol: number;
  readonly tuple: Tuple;
  /** Bits of the source address and port that count. */
  readonly mask: Tuple;
  readonly master: Entry;
  readonly flags: number;
  readonly class: number;
  /** The helper of the new flow. */
  readonly helper: string | undefined;
  readonly fn: string | undefined;
  readonly nat: ExpectedNat | undefined;
  /** Milliseconds of the table's clock. */
  expires: number;
}

/** A request for one, without what the table knows. */
export type Asked = Omit<Expected, 'id' | 'master' | 'expires'> & {
  readonly seconds: number | undefined;
};

/** Follows expectations. */
export interface ExpectationFollower {
  takeExpectation(type: 'new' | 'destroy', expected: Expected, at: number, portid: number): void;
}

/** Whether a tuple is what is expected, under the mask. */
function covers({ tuple, mask }: Expected, protocol: number, other: Tuple, own: number): boolean {
  if (protocol !== own || other.second !== tuple.second) return false;
  if (((other.first ^ tuple.first) & mask.first) !== 0 || !sameBytes(other.dst, tuple.dst)) {
    return false;
  }
  const { src } = tuple;
  return (
    src.length === other.src.length &&
    src.every((byte, i) => ((byte ^ other.src[i]!) & mask.src[i]!) === 0)
  );
}

/** Whether two expectations could meet the same flow (expect_clash). */
function clashes(a: Expected, b: Omit<Asked, 'seconds'>): boolean {
  const mask: Tuple = {
    ...a.mask,
    src: a.mask.src.map((byte, i) => byte & b.mask.src[i]!),
    first: a.mask.first & b.mask.first,
  };
  return covers({ ...a, mask }, b.protocol, b.tuple, a.protocol);
}

export class ExpectationTable {
  readonly followers = new Set<ExpectationFollower>();
  readonly all = new Set<Expected>();
  /** Expectations that flows met, that were made, and that have gone. */
  readonly counts = { new: 0, create: 0, delete: 0 };
  readonly #flows: FlowTable;

  constructor(flows: FlowTable) {
    this.#flows = flows;
    flows.onEnd.add((entry) => this.endWhere(({ master }) => master === entry));
    flows.onTime.add((now) => this.endWhere(({ expires }) => expires <= now));
  }

  /** The expectation that a flow with this tuple meets. */
  find({ protocol, tuple, zone, id }: Named): Expected | undefined {
    for (const one of this.all) {
      const sameZone = one.master.zone.id === zone?.id && one.master.zone.of === zone.of;
      if (!sameZone || !covers(one, protocol, tuple, one.protocol)) continue;
      return id === undefined || id === one.id ? one : undefined;
    }
    return undefined;
  }

  /** Makes one. */
  create(asked: Asked, name: Named, of: Named): Answer {
    if (this.find(name) !== undefined) return { errno: errno.EEXIST };
    const master = of.zone && this.#flows.find(of.protocol, of.tuple, of.zone)?.entry;
    if (master === undefined) return { errno: errno.ENOENT };
    const { helper, fn } = asked;
    if (helper !== undefined && !helperFits(helper, master)) {
      return { errno: errno.EOPNOTSUPP };
    }
    if (master.helper === undefined) return { errno: errno.EOPNOTSUPP };
    if (helper !== undefined && policyOf(helper, asked.class) === undefined) {
      return { errno: errno.EINVAL };
    }
    if (fn !== undefined && !functionNames.has(fn)) return { errno: errno.EINVAL };
    if (master.helper === '') return { errno: errno.ESHUTDOWN };
    return this.#add(asked, master, master.helper);
  }

  #add({ seconds, ...asked }: Asked, master: Entry, helper: string): Answer {
    for (const one of [...this.all]) {
      if (!clashes(one, asked)) continue;
      const same =
        one.master === master &&
        one.class === asked.class &&
        sameBytes(one.mask.src, asked.mask.src) &&
        one.mask.first === asked.mask.first &&
        keyOf(one.protocol, one.tuple, 0) === keyOf(asked.protocol, asked.tuple, 0);
      if (!same) return { errno: errno.EBUSY };
      this.end(one);
    }
    const policy = policyOf(helper, asked.class) ?? { most: 0, seconds: 300 };
    const others = [...this.all].filter(
      (one) => one.master === master && one.class === asked.class,
    );
    if (policy.most > 0 && others.length >= policy.most) this.end(others[0]!);
    if (this.all.size >= this.#flows.settings.values.expect_max) return { errno: errno.EMFILE };
    const expires = this.#flows.now + policy.seconds * 1000;
    const made: Expected = { ...asked, master, id: this.#flows.nextId(), expires };
    this.all.add(made);
    this.counts.create++;
    this.#tell('new', made);
    // The kernel gives it the time of the helper. The package changes that afterwards.
    if (seconds !== undefined) made.expires = this.#flows.now + seconds * 1000;
    return done;
  }

  #tell(type: 'new' | 'destroy', one: Expected): void {
    if (!one.master.reports) return;
    for (const follower of this.followers) {
      follower.takeExpectation(type, { ...one }, this.#flows.now, this.#flows.requester);
    }
  }

  end(one: Expected): void {
    if (!this.all.delete(one)) return;
    this.counts.delete++;
    this.#tell('destroy', one);
  }

  endWhere(isMeant: (one: Expected) => boolean): void {
    for (const one of [...this.all]) if (isMeant(one)) this.end(one);
  }

  /** What the first packet of a flow meets. One that is not permanent has done its work then. */
  meet(name: Named): Expected | undefined {
    const one = this.find(name);
    if (one === undefined || (one.flags & inactive) !== 0) return undefined;
    this.counts.new++;
    if ((one.flags & permanent) === 0) this.end(one);
    return one;
  }
}
