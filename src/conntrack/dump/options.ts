// Options of dumps: their types and checks.
import { booleanAt, integerAt, oneOf, optionsAt, signalAt } from '../../checks.js';
import { badRange } from '../../errors.js';
import type { RawDumpOptions } from '../../native/binding.js';
import * as numbers from '../../native/numbers.js';
import { filterWords } from '../batch/filter-words.js';
import type { CheckedFilter } from '../filter/types.js';

/** How to read the table. */
export interface DumpOptions {
  /**
   * `'dying'`: entries whose destroy event could not be delivered yet (kernel 3.8; before 5.19, all dying
   * entries). `'unconfirmed'`: always empty since 5.19. Default `'conntrack'`.
   */
  list?: 'conntrack' | 'dying' | 'unconfirmed' | undefined;
  /**
   * Set the counters of every dumped flow to zero as they are read. No count is lost in between. If `dump` ends with an
   * error, as after an abort, those that were zeroed by then are lost with it; `dumpBatches` gives them first.
   */
  zeroCounters?: boolean | undefined;
  /**
   * How many sockets share the dump (1–16). Each walks the table on a core of its own. `'auto'` decides by what the
   * table looks like. Default 1. The table may be split by status: a flow whose status changes meanwhile can be
   * missed or seen twice (doubles are removed).
   */
  parallel?: number | 'auto' | undefined;
  /** Ends the dump early, also in its middle. */
  signal?: AbortSignal | undefined;
}

/**
 * How to read the table in batches. Such a dump has one socket. With `zeroCounters` the counters of a batch are set to
 * zero when the loop asks for it: a loop that stops in the middle has every count that is gone from the kernel, and flows
 * that it has not got keep theirs.
 */
export interface DumpBatchesOptions extends DumpOptions {
  /** Flows of a batch at most (1 to 1048576). Default 16384. */
  batchSize?: number | undefined;
}

const dumpFields = new Set(['list', 'zeroCounters', 'parallel', 'signal']);
const batchesFields = new Set([...dumpFields, 'batchSize']);

/** Options after their checks, with the filter as native code takes it. */
interface CheckedDump {
  raw: RawDumpOptions;
  signal: AbortSignal | undefined;
}

/** Checks the options of `dump`. */
export function dumpOptions(filter: CheckedFilter, options: unknown): CheckedDump {
  const fields = optionsAt(options, 'options', dumpFields);
  const { list = 'conntrack', zeroCounters = false, parallel = 1, signal } = fields;
  const raw: RawDumpOptions = {
    filter: filterWords(filter),
    list: numbers.list[oneOf(list, 'options.list', numbers.listNames)],
    zeroCounters: booleanAt(zeroCounters, 'options.zeroCounters'),
    parallel:
      parallel === 'auto' ? 0 : integerAt(parallel, 'options.parallel', 1, numbers.mostSockets),
  };
  if (list !== 'conntrack' && (raw.zeroCounters || raw.parallel !== 1)) {
    throw badRange(
      'options.list',
      "'conntrack' for a dump that zeroes counters or is parallel",
      list,
    );
  }
  return { raw, signal: signalAt(signal, 'options.signal') };
}

/** Checks the options of `dumpBatches`. */
export function batchesOptions(
  filter: CheckedFilter,
  options: unknown,
): CheckedDump & { size: number } {
  const { batchSize = 16384, ...rest } = optionsAt(options, 'options', batchesFields);
  const size = integerAt(batchSize, 'options.batchSize', 1, 2 ** 20);
  const { raw, signal } = dumpOptions(filter, rest);
  if (raw.parallel !== 1) throw new TypeError('options.parallel: is for dump()');
  return { raw, signal, size };
}
