// conntrack.expectations: reading and writing them, and the way to their events.
import { fieldsAt, optionsAt, shallowCopyAt, stringAt } from '../../checks.js';
import { badRange, fromNative } from '../../errors.js';
import type { Session } from '../../native/session.js';
import { Flow } from '../flow/flow.js';
import type { TupleInit } from '../input/tuple.js';
import { TuplePacker } from '../lookup/tuple-packer.js';
import { type Expectation, expectationMessages } from './expectation.js';
import {
  type ExpectationEventOptions,
  type ExpectationEventType,
  ExpectationStream,
} from './expectation-stream.js';
import {
  type ExpectationInit,
  type ExpectationTupleInit,
  packExpectation,
  packExpectationTuple,
} from './init.js';
import { type ExpectationStats, readExpectationStats } from './statistics.js';

/** Which expectations `list()` gives. */
export interface ExpectationListOptions {
  /** Only those of this flow. `undefined` is refused: it would mean those of all flows. */
  master?: TupleInit | Flow;
}

/** Which expectations `flush()` deletes. */
export interface ExpectationFlushOptions {
  /** Only those of flows with this helper, at most 15 bytes. `undefined` is refused: it would mean all. */
  helper?: string;
}

/**
 * Expectations of one network namespace: what helpers (FTP, SIP, TFTP …) expect. All operations but `stats` and `count`
 * need CAP_NET_ADMIN, and reject with the {@link NetlinkError} EPERM without it. All reject with a {@link ClosedError}
 * after `close()`.
 */
export class Expectations {
  readonly #session: Session;

  /** @internal */
  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * All expectations, or those of one flow (none when there is no such flow).
   * @throws {TypeError | RangeError} for options that are wrong
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * for (const { protocol, tuple, timeout } of await conntrack.expectations.list()) {
   *   console.log(protocol, tuple.dst, tuple.dstPort, timeout);
   * }
   */
  async list(options: ExpectationListOptions = {}): Promise<Expectation[]> {
    const fields = optionsAt(options, 'options', new Set(['master']), ['master']);
    let master: Uint8Array | null = null;
    let zone: number | undefined;
    if (fields.master !== undefined) {
      const packer = new TuplePacker(1);
      const named = fields.master as TupleInit | Flow;
      const flow = Flow.isFlow(named)
        ? named
        : (shallowCopyAt(named, 'options.master', 'a tuple or a Flow') as unknown as TupleInit);
      packer.add(flow, 'options.master');
      master = packer.bytes;
      zone = flow.zone;
    }
    const messages = await this.#session.run(
      'conntrack expectation list',
      undefined,
      (binding, handle) => binding.ctExpectList(handle, master),
    );
    // When one goes while the kernel resumes a dump, others of its bucket come twice.
    const found = new Map<string, Expectation>();
    for (const { expectation } of expectationMessages(messages)) {
      if (!expectation) throw malformed('conntrack expectation list');
      const key = `${expectation.id} ${JSON.stringify(expectation.tuple)}`;
      found.set(key, zone ? { ...expectation, zone } : expectation);
    }
    return [...found.values()];
  }

  /**
   * The expectation that a flow with this tuple would meet (masks are applied); with `id`, only the one that has it.
   * `undefined` when there is none.
   * @throws {TypeError | RangeError} for a tuple that is wrong, with the path of the field
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const expectation = await conntrack.expectations.get({
   *   protocol: 'tcp',
   *   src: '192.0.2.1',
   *   dst: '10.0.0.1',
   *   dstPort: 50000,
   * });
   * console.log(expectation?.master);
   */
  async get(tuple: ExpectationTupleInit | Expectation): Promise<Expectation | undefined> {
    const name = nameOf(tuple, 'tuple');
    const found = await this.#find(packExpectationTuple(name, 'tuple'));
    return found && name.zone ? { ...found, zone: name.zone } : found;
  }

  /**
   * Makes an expectation. It may be one that was read (`list()`, an event). Its master must be there, with the helper.
   * @throws {TypeError | RangeError} for an expectation that is wrong, with the path of the field
   * @throws {NetlinkError} EEXIST when there is such an expectation, ENOENT without the master, ESHUTDOWN where it has
   *   no helper, EOPNOTSUPP where it has no room for one or the kernel has no such helper, EINVAL for a class or
   *   function that there is not, EMFILE at a limit, EBUSY for a clash with another flow's, EPERM without CAP_NET_ADMIN
   * @throws {LibraryError} where libnetfilter_conntrack is missing
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const side = { src: '10.0.0.1', srcPort: 40000, dst: '192.0.2.1', dstPort: 21 };
   * const master = { protocol: 'tcp', ...side } as const;
   * await conntrack.create({ ...master, state: 'ESTABLISHED', timeout: 600, helper: 'ftp' });
   * await conntrack.expectations.create({
   *   protocol: 'tcp',
   *   tuple: { src: '192.0.2.1', dst: '10.0.0.1', dstPort: 50000 },
   *   master,
   * });
   */
  async create(expectation: ExpectationInit | Expectation): Promise<void> {
    const packed = packExpectation(expectation);
    await this.#session.run('conntrack expectation create', undefined, (binding, handle) =>
      binding.ctExpectCreate(handle, packed),
    );
  }

  /**
   * Deletes the expectation that has exactly this tuple. One whose mask only covers it stays. False when there is none.
   * @throws {TypeError | RangeError} for a tuple that is wrong, with the path of the field
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * for (const expectation of await conntrack.expectations.list()) {
   *   if (expectation.helper === 'ftp') await conntrack.expectations.delete(expectation);
   * }
   */
  async delete(target: ExpectationTupleInit | Expectation): Promise<boolean> {
    const name = nameOf(target, 'target');
    let packed = packExpectationTuple(name, 'target');
    if (name.id === undefined) {
      // The kernel would delete whatever the tuple meets under its mask. This finds out which one that is.
      const found = await this.#find(packed);
      if (!found || !sameTuple(packed, found)) return false;
      packed = packExpectationTuple({ ...name, id: found.id }, 'target');
    }
    return this.#session.run('conntrack expectation delete', undefined, (binding, handle) =>
      binding.ctExpectDelete(handle, packed),
    );
  }

  /**
   * Deletes all expectations, or those of flows with a helper. Options that are `undefined` are refused.
   * @throws {TypeError | RangeError} for options that are wrong
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * await conntrack.expectations.flush({ helper: 'ftp' });
   */
  flush(): Promise<void>;
  flush(options: ExpectationFlushOptions): Promise<void>;
  async flush(...given: [options?: ExpectationFlushOptions]): Promise<void> {
    if (given.length > 0 && given[0] === undefined) {
      throw new TypeError('options: is undefined; to delete all expectations, call flush()');
    }
    const fields = fieldsAt(given.length === 0 ? {} : given[0], 'options', new Set(['helper']));
    let helper: string | null = null;
    if (fields.helper !== undefined) {
      helper = stringAt(fields.helper, 'options.helper', 15);
      if (helper === '') throw badRange('options.helper', 'the name of a helper', helper);
    }
    await this.#session.run('conntrack expectation flush', undefined, (binding, handle) =>
      binding.ctExpectFlush(handle, helper),
    );
  }

  /**
   * Follows expectations. The kernel reports the expectations of flows that were made while something listened, or
   * while `nf_conntrack_events` was 1.
   * @throws {TypeError | RangeError} for options that are wrong
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const stream = conntrack.expectations.events({ signal: AbortSignal.timeout(200) });
   * for await (const event of stream) {
   *   if (event.type === 'overrun') console.log('lost', event.lost);
   *   else console.log(event.type, event.expectation.tuple.dstPort);
   * }
   */
  events<Type extends ExpectationEventType = ExpectationEventType>(
    options: ExpectationEventOptions<Type> = {},
  ): ExpectationStream<Type> {
    return ExpectationStream.open(this.#session, options);
  }

  /**
   * What the kernel has counted of expectations, per CPU and in total. It needs no privileges: without CAP_NET_ADMIN it
   * reads /proc.
   * @throws {NetfilterError} EPERM without CAP_NET_ADMIN and without /proc/net/stat/nf_conntrack, ENOENT without conntrack
   *   in the kernel
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const { entries, total } = await conntrack.expectations.stats();
   * console.log(entries, total.create, total.new);
   */
  stats(): Promise<ExpectationStats> {
    return readExpectationStats(this.#session);
  }

  /**
   * The number of expectations now, without reading them: those that were made less those that have gone, as `stats()`
   * has it. It needs no privileges.
   * @throws {NetfilterError} as `stats()`
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * console.log(await conntrack.expectations.count());
   */
  async count(): Promise<number> {
    return (await readExpectationStats(this.#session)).entries;
  }

  async #find(packed: Uint8Array): Promise<Expectation | undefined> {
    const messages = await this.#session.run(
      'conntrack expectation get',
      undefined,
      (binding, handle) => binding.ctExpectGet(handle, packed),
    );
    for (const { expectation } of expectationMessages(messages)) {
      if (!expectation) throw malformed('conntrack expectation get');
      return expectation;
    }
    return undefined;
  }
}

/** There is an expectation that cannot be decoded. It must not be reported as none. */
const malformed = (operation: string) =>
  fromNative({ errno: 74, operation, detail: 'malformed answer' });

/** A copy of what names an expectation: the caller may change the object while the kernel is asked. */
function nameOf(target: ExpectationTupleInit | Expectation, path: string): ExpectationTupleInit {
  const taken = shallowCopyAt(target, path, 'an object') as unknown as typeof target;
  if (!('tuple' in taken)) return taken;
  const { protocol, tuple, id, zone } = taken;
  return { protocol, ...tuple, id, ...(zone !== undefined && { zone }) };
}

function sameTuple(packed: Uint8Array, found: Expectation): boolean {
  const other = packExpectationTuple({ protocol: found.protocol, ...found.tuple }, 'expectation');
  // From the ports on. Id and zone come before them, and are the same by then.
  return other.subarray(8).every((byte, i) => byte === packed[i + 8]);
}
