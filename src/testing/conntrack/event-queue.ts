// The events of one stream in memory, until its reader takes them: filtered, bounded and counted as native code does it.
import { filterOf } from '../../conntrack/batch/filter-words.js';
import { MadeRows } from '../../conntrack/batch/made-rows.js';
import { ColumnStore } from '../../conntrack/columns/column-store.js';
import { matchingRows } from '../../conntrack/filter/column-filter.js';
import type { CheckedFilter } from '../../conntrack/filter/types.js';
import type {
  NativeEventStream,
  RawEventOptions,
  RawEventStats,
  RawSegment,
} from '../../native/binding.js';
import { eventKind, kernelFilterState, ownWanted } from '../../native/numbers.js';
import type { Follower } from './flow-table.js';
import { addNews, type FlowNews } from './rows.js';

/** Events that a reader gets at once, at most. */
const most = 16_384;

interface Loss {
  lost: number;
  readonly source: 'kernel' | 'queue';
}

/** What was in the table when the stream was opened. */
export interface Opening {
  readonly eventsSysctl: number;
  readonly entries: number;
}

const isLoss = (item: object): item is Loss => 'lost' in item;

/** A queue of events of one kind. What they are put into when they are taken, its subclass knows. */
export abstract class Queue<Event extends object> {
  readonly #options: RawEventOptions;
  readonly #opening: Opening;
  #waiting: (Event | Loss)[] = [];
  #events = 0;
  #kept = 0;
  #lostInKernel = 0;
  #lostInQueue = 0;
  /** Not wanted by who caused them. */
  #filtered = 0;
  #wake: ((next: RawSegment | null) => void) | undefined;
  #closed = false;

  constructor(options: RawEventOptions, opening: Opening) {
    this.#options = options;
    this.#opening = opening;
  }

  protected abstract segmentOf(events: Event[]): RawSegment;

  protected wants(type: FlowNews['type'], portid: number): boolean {
    if ((this.#options.kinds & eventKind[type]) === 0) return false;
    const { own } = this.#options;
    const wanted = own === ownWanted.all || (own === ownWanted.onlyOwn) === (portid !== 0);
    if (!wanted) this.#filtered++;
    return wanted;
  }

  protected keep(event: Event): void {
    if (this.#events >= this.#options.maxEvents && !this.#options.reliable) {
      this.#lostInQueue++;
      this.#note(1, 'queue');
    } else {
      this.#waiting.push(event);
      this.#events++;
      this.#kept++;
    }
    this.#serve();
  }

  /** Loses so many events, as the kernel does when the receive buffer is full. */
  lose(lost: number): void {
    this.#lostInKernel += lost;
    this.#note(lost, 'kernel');
    this.#serve();
  }

  #note(lost: number, source: Loss['source']): void {
    const last = this.#waiting.at(-1);
    if (last !== undefined && isLoss(last) && last.source === source) last.lost += lost;
    else this.#waiting.push({ lost, source } as Loss);
  }

  #serve(): void {
    if (this.#wake === undefined || this.#waiting.length === 0) return;
    const wake = this.#wake;
    this.#wake = undefined;
    wake(this.#take());
  }

  #take(): RawSegment {
    const end = this.#waiting.findIndex((item) => isLoss(item));
    const count = Math.min(most, end < 0 ? this.#waiting.length : end);
    const events = this.#waiting.slice(0, count) as Event[];
    const next = this.#waiting[count];
    const loss = next !== undefined && isLoss(next) ? next : undefined;
    this.#waiting = this.#waiting.slice(loss === undefined ? count : count + 1);
    this.#events -= count;
    return { ...this.segmentOf(events), ...(loss && { lost: loss.lost, source: loss.source }) };
  }

  /** The next events: a value where some wait, null at the end. */
  next(): RawSegment | null | Promise<RawSegment | null> {
    if (this.#waiting.length > 0) return this.#take();
    if (this.#closed) return null;
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  close(drain: boolean): void {
    this.#closed = true;
    if (!drain) {
      this.#waiting = [];
      this.#events = 0;
    }
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.(null);
  }

  stats(): RawEventStats {
    return {
      // A reliable stream leaves in the kernel what its queue has no room for.
      kept: this.#kept - (this.#closed ? 0 : Math.max(0, this.#events - this.#options.maxEvents)),
      filtered: this.#filtered,
      undecodable: 0,
      lostInKernel: this.#lostInKernel,
      lostInQueue: this.#lostInQueue,
      receiveBuffer: this.#options.receiveBuffer,
      kernelFilter: kernelFilterState.none,
      kernelFilterErrno: 0,
      ...this.#opening,
    };
  }
}

/** The events of flows. */
export class FlowQueue extends Queue<FlowNews> implements Follower {
  readonly #filter: CheckedFilter;

  constructor(options: RawEventOptions, opening: Opening) {
    super(options, opening);
    this.#filter = filterOf(options.filter);
  }

  protected segmentOf(events: FlowNews[]): RawSegment {
    const rows = new MadeRows(events.length);
    for (const event of events) addNews(rows, event);
    return { events: events.length, batch: rows.finish() };
  }

  take(news: FlowNews): void {
    if (!this.wants(news.type, news.portid)) return;
    if (this.#filter.empty) {
      this.keep(news);
      return;
    }
    const { batch } = this.segmentOf([news]);
    const matches = matchingRows(ColumnStore.fromRaw(batch!), this.#filter).length > 0;
    if (matches) this.keep(news);
  }

  override stats(): RawEventStats {
    const kernelFilter = this.#filter.empty ? kernelFilterState.none : kernelFilterState.exact;
    return { ...super.stats(), kernelFilter };
  }
}

/** The queue as the binding gives it out. */
export const asStream = (queue: object): NativeEventStream => queue as NativeEventStream;
