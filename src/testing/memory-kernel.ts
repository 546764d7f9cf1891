// MemoryKernel: the tables of one network namespace in memory, and what a test does to them. Passes each call to the part
// that does the work. Its types of the package come from src/index.ts: so the declarations refer to those of the package.
import { booleanAt, familyAt, integerAt, oneOf, optionsAt, stringAt } from '../checks.js';
import { Conntrack as Table } from '../conntrack/conntrack.js';
import { errnoOf } from '../errno.js';
import { badRange, badType } from '../errors.js';
import type { Conntrack, Family, FlowState, Iptables, NatInit, Protocol } from '../index.js';
import { Iptables as Tables } from '../iptables/iptables.js';
import type { RawHookReport } from '../native/binding.js';
import { Session } from '../native/session.js';
import { bindingOf, ConntrackMemory } from './conntrack/binding.js';
import { ExpectationTable } from './conntrack/expectation-table.js';
import { FlowTable } from './conntrack/flow-table.js';
import type { World } from './conntrack/operations.js';
import { meetPacket } from './conntrack/packet.js';
import { Settings } from './conntrack/settings.js';
import { Faults } from './faults.js';
import { MemoryBackend } from './iptables/memory-backend.js';
import { RuleStore } from './iptables/rule-store.js';

/** What a kernel in memory is made with. */
export interface MemoryKernelOptions {
  /**
   * Whether new flows have room for labels. In a kernel they have it while a rule uses connlabel; without it, labels are
   * refused with ENOSPC. Default true.
   */
  labels?: boolean | undefined;
  /** The IPv4 tables that it has at the beginning, as iptables-save writes them. Default: none. */
  tables?: string | Uint8Array | undefined;
  /** The IPv6 tables, as ip6tables-save writes them. Default: none. */
  tables6?: string | Uint8Array | undefined;
  /** The time at which its clock begins, milliseconds since the epoch. Default: the time of the machine. */
  now?: number | undefined;
}

/** Which tables of iptables to open. */
export interface MemoryIptablesOptions {
  /** `'ipv6'` is what ip6tables works on. Default `'ipv4'`. */
  family?: Family | undefined;
}

/** A packet, as a host of the test sends it. A packet of a new flow makes the flow. */
export interface MemoryPacket {
  /** The protocol by name or number. */
  protocol: Protocol;
  /** Source address as text. */
  src: string;
  /** Destination address as text, of the same family. */
  dst: string;
  /** Source port, 0 to 65535. Protocols with ports need it; for GRE it is the key. */
  srcPort?: number;
  /** Destination port, 0 to 65535. Protocols with ports need it; for GRE it is the key. */
  dstPort?: number;
  /** The type, 0 to 255. ICMP and ICMPv6 need it. */
  icmpType?: number;
  /** The code, 0 to 255. ICMP and ICMPv6 need it. */
  icmpCode?: number;
  /** The id, 0 to 65535. ICMP and ICMPv6 need it. */
  icmpId?: number;
  /** The zone that it is tracked in. Default 0. */
  zone?: number;
  /** How many of these packets there are. Default 1. */
  packets?: bigint | number;
  /** The bytes of all of them. Default 0. */
  bytes?: bigint | number;
  /**
   * The state that the packets lead to, of TCP and SCTP. Without it a TCP flow begins with SYN_SENT, becomes SYN_RECV by
   * an answer and ESTABLISHED by the next packet, and stays so.
   */
  state?: FlowState;
  /** What rules translate a new flow to. */
  nat?: NatInit;
}

/** The operations that `fail` can make fail, as `NetfilterError.operation` names them. */
export type MemoryOperation =
  | (typeof memoryOperations)[number]
  | `${'iptables' | 'ip6tables'} ${'read' | 'commit'} ${string}`;

const memoryOperations = [
  ...(['conntrack open', 'conntrack dump', 'conntrack get', 'conntrack count'] as const),
  ...(['conntrack stats', 'conntrack create', 'conntrack update', 'conntrack delete'] as const),
  ...(['conntrack flush', 'conntrack events', 'conntrack tracking'] as const),
  ...(['conntrack settings', 'conntrack configure'] as const),
  ...(['conntrack expectation list', 'conntrack expectation get'] as const),
  ...(['conntrack expectation create', 'conntrack expectation delete'] as const),
  ...(['conntrack expectation flush', 'iptables tables', 'ip6tables tables'] as const),
  ...(['iptables changes', 'ip6tables changes'] as const),
] as const;

/** How an operation fails. */
export interface MemoryFaultOptions {
  /** How often it fails; Infinity: until the fault is disposed of. Default 1. */
  times?: number | undefined;
  /** The kernel's own words: `error.detail`. */
  detail?: string | undefined;
}

const kernelFields = new Set(['labels', 'now', 'tables', 'tables6']);
const faultFields = new Set(['times', 'detail']);
const active: RawHookReport = { ipv4: 'active', ipv6: 'active', bridge: 'none', found: ['memory'] };
let made = 0;

/**
 * The tables of one network namespace in memory, for unit tests of programs that use the package. It needs no Linux, no
 * addon and no privilege. Its `Conntrack` is the class of the package, so a program under test takes it as any other.
 *
 * It does what Linux 6.18 does with requests over netlink. It has no packets but those of {@link MemoryKernel.packet},
 * and no time but that of {@link MemoryKernel.advance}. What it does not do is refused with an `UnsupportedError`. Only
 * the timers of `revertAfter` and `watch` keep the process alive.
 * @example
 * import { MemoryKernel } from 'conntrack/testing';
 * const kernel = new MemoryKernel();
 * const { conntrack } = kernel;
 * kernel.packet({ protocol: 'udp', src: '10.0.0.1', srcPort: 5000, dst: '192.0.2.53', dstPort: 53 });
 * console.log(await conntrack.count());
 * kernel.advance(30);
 * console.log(await conntrack.count());
 */
export class MemoryKernel {
  readonly #world: World;
  readonly #begin: number;
  readonly #rules = new RuleStore();
  #conntrack: Conntrack | undefined;
  readonly #iptables = new Map<Family, Iptables>();

  /** @throws {TypeError | RangeError} for options that are wrong */
  constructor(options: MemoryKernelOptions = {}) {
    const given = optionsAt(options, 'options', kernelFields);
    const { labels = true, now = Date.now(), tables, tables6 } = given;
    this.#begin = integerAt(now, 'options.now', 0, 8.64e15);
    const table = new FlowTable(new Settings(), this.#begin);
    this.#world = {
      table,
      expectations: new ExpectationTable(table),
      room: { labels: booleanAt(labels, 'options.labels') },
      faults: new Faults(),
      tracking: { source: 'rules', tracking: active, nat: active, unknown: [] },
      streams: new Set(),
      name: `memory ${++made}`,
    };
    for (const [text, path, family] of [
      [tables, 'options.tables', 'ipv4'],
      [tables6, 'options.tables6', 'ipv6'],
    ] as const) {
      if (text === undefined) continue;
      if (typeof text !== 'string' && !(text instanceof Uint8Array)) {
        throw badType(path, 'a string or a Uint8Array', text);
      }
      this.#rules.load(text, family);
    }
  }

  /** A handle of the table: always the same one. `close()` closes it for good, as that of the package. */
  get conntrack(): Conntrack {
    this.#conntrack ??= this.openConntrack();
    return this.#conntrack;
  }

  /** A new handle of the table, in place of `Conntrack.open()`. */
  openConntrack(): Conntrack {
    return Table.over(bindingOf(new ConntrackMemory(this.#world)));
  }

  /** The IPv4 tables of iptables: always the same instance. `close()` closes it for good, as that of the package. */
  get iptables(): Iptables {
    return this.#own('ipv4');
  }

  /** The IPv6 tables, likewise. */
  get ip6tables(): Iptables {
    return this.#own('ipv6');
  }

  #own(family: Family): Iptables {
    const own = this.#iptables.get(family) ?? this.openIptables({ family });
    this.#iptables.set(family, own);
    return own;
  }

  /**
   * A new instance of the tables of iptables, in place of `Iptables.open()`.
   * @throws {TypeError | RangeError} for options that are wrong
   */
  openIptables(options: MemoryIptablesOptions = {}): Iptables {
    const given = optionsAt(options, 'options', new Set(['family']));
    const family = given.family === undefined ? 'ipv4' : familyAt(given.family, 'options.family');
    const memory = new ConntrackMemory(this.#world);
    const binding = bindingOf(memory);
    const session = new Session({ netns: null, receiveBuffer: null, binding });
    const world = { store: this.#rules, memory, name: `${this.#world.name} rules` };
    return Tables.over(session, family, (of) => {
      const backend = new MemoryBackend(session, of, world);
      return { report: () => backend.report(), chosen: async () => backend };
    });
  }

  /** The time of its clock, milliseconds since the epoch. */
  get now(): number {
    return this.#begin + this.#world.table.now;
  }

  /**
   * Lets time pass: timeouts run, and flows whose time is over end with their events. Flows expire in no other way.
   * @throws {TypeError | RangeError} for what is no number of seconds from 0 on
   */
  advance(seconds: number): void {
    if (typeof seconds !== 'number') throw badType('seconds', 'a number of seconds', seconds);
    if (!(seconds >= 0 && seconds <= 1e9)) throw badRange('seconds', 'from 0 to 1e9', seconds);
    this.#world.table.advance(Math.round(seconds * 1000));
  }

  /**
   * Takes packets to the table, as one that arrives: it makes their flow or finds it by either tuple, counts them where
   * `acct` is on, renews its timeout and tells its events. False: the kernel drops them, because the table is full or
   * the translated tuple is taken.
   * @throws {TypeError | RangeError} for a packet that is wrong, with the path of the field
   * @example
   * import { MemoryKernel } from 'conntrack/testing';
   * const kernel = new MemoryKernel();
   * await kernel.conntrack.configure({ acct: true });
   * const client = { src: '10.0.0.1', srcPort: 40000 };
   * const server = { src: '192.0.2.1', srcPort: 443 };
   * kernel.packet({ protocol: 'tcp', ...client, dst: server.src, dstPort: 443, bytes: 60 });
   * kernel.packet({ protocol: 'tcp', ...server, dst: client.src, dstPort: 40000, bytes: 60 });
   * console.log(String((await kernel.conntrack.dump()).at(0)));
   */
  packet(packet: MemoryPacket): boolean {
    const { table, expectations, room } = this.#world;
    return meetPacket(table, expectations, packet, room);
  }

  /**
   * Makes an operation fail, with the error and the hint that the package makes of this refusal of the kernel. What
   * would be done is not done. `using` takes a fault back that has not come to its end.
   * @throws {TypeError | RangeError} for an operation or an error that there is not
   * @example
   * import { MemoryKernel } from 'conntrack/testing';
   * const kernel = new MemoryKernel();
   * kernel.fail('conntrack dump', 'EPERM');
   * await kernel.conntrack.dump().catch((error) => console.log(error.code, error.hint));
   * console.log((await kernel.conntrack.dump()).length);
   */
  fail(operation: MemoryOperation, code: string, options: MemoryFaultOptions = {}): Disposable {
    const ofTable = /^ip6?tables (read|commit) \S/.test(stringAt(operation, 'operation', 256));
    const name = ofTable ? operation : oneOf(operation, 'operation', memoryOperations);
    const errno = errnoOf(stringAt(code, 'code', 32));
    if (errno === undefined) throw badRange('code', 'an error of Linux (EPERM)', code);
    const { times = 1, detail } = optionsAt(options, 'options', faultFields);
    const most = times === Infinity ? Infinity : integerAt(times, 'options.times', 1, 2 ** 31);
    const text = detail === undefined ? undefined : stringAt(detail, 'options.detail', 4096);
    const end = this.#world.faults.add(name, errno, most, text);
    return { [Symbol.dispose]: end };
  }

  /**
   * Loses events of every open stream, as a kernel does whose receive buffer is full: each gets an overrun after its
   * last event.
   * @throws {TypeError | RangeError} for what is no number of events from 1 on
   */
  overrun(lost: number): void {
    const count = integerAt(lost, 'lost', 1, Number.MAX_SAFE_INTEGER);
    for (const stream of this.#world.streams) stream.lose(count);
  }
}
