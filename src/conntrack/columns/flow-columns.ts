// The columns that flows are read from, looked up once for all rows of a store. Knows their names, not their
// meaning.
import type { ColumnArrays } from './schema.js';

/** Rows in columns, with a place for their `FlowColumns`. */
export interface FlowRows {
  /** Made for the first flow that is read. */
  flowColumns: FlowColumns | undefined;
  column<N extends keyof ColumnArrays>(name: N): ColumnArrays[N];
  extraBytes(row: number): Uint8Array | undefined;
}

export class FlowColumns {
  readonly presence: ColumnArrays['presence'];
  readonly id: ColumnArrays['id'];
  readonly family: ColumnArrays['family'];
  readonly protocol: ColumnArrays['protocol'];
  readonly status: ColumnArrays['status'];
  readonly state: ColumnArrays['state'];
  readonly timeout: ColumnArrays['timeout'];
  readonly mark: ColumnArrays['mark'];
  readonly zone: ColumnArrays['zone'];
  readonly use: ColumnArrays['use'];
  readonly origSrc: ColumnArrays['origSrc'];
  readonly origDst: ColumnArrays['origDst'];
  readonly replySrc: ColumnArrays['replySrc'];
  readonly replyDst: ColumnArrays['replyDst'];
  readonly origSrcPort: ColumnArrays['origSrcPort'];
  readonly origDstPort: ColumnArrays['origDstPort'];
  readonly replySrcPort: ColumnArrays['replySrcPort'];
  readonly replyDstPort: ColumnArrays['replyDstPort'];
  // Few batches have these columns: their views are made when a row needs them.
  #presenceMore: ColumnArrays['presenceMore'] | undefined;
  #origPackets: ColumnArrays['origPackets'] | undefined;
  #origBytes: ColumnArrays['origBytes'] | undefined;
  #replyPackets: ColumnArrays['replyPackets'] | undefined;
  #replyBytes: ColumnArrays['replyBytes'] | undefined;
  #start: ColumnArrays['start'] | undefined;
  #stop: ColumnArrays['stop'] | undefined;
  #type: ColumnArrays['type'] | undefined;
  #nsid: ColumnArrays['nsid'] | undefined;
  #portid: ColumnArrays['portid'] | undefined;
  #own: ColumnArrays['own'] | undefined;
  #timestampEvent: ColumnArrays['timestampEvent'] | undefined;

  constructor(readonly store: FlowRows) {
    this.presence = store.column('presence');
    this.id = store.column('id');
    this.family = store.column('family');
    this.protocol = store.column('protocol');
    this.status = store.column('status');
    this.state = store.column('state');
    this.timeout = store.column('timeout');
    this.mark = store.column('mark');
    this.zone = store.column('zone');
    this.use = store.column('use');
    this.origSrc = store.column('origSrc');
    this.origDst = store.column('origDst');
    this.replySrc = store.column('replySrc');
    this.replyDst = store.column('replyDst');
    this.origSrcPort = store.column('origSrcPort');
    this.origDstPort = store.column('origDstPort');
    this.replySrcPort = store.column('replySrcPort');
    this.replyDstPort = store.column('replyDstPort');
  }

  get presenceMore(): ColumnArrays['presenceMore'] {
    this.#presenceMore ??= this.store.column('presenceMore');
    return this.#presenceMore;
  }
  get origPackets(): ColumnArrays['origPackets'] {
    this.#origPackets ??= this.store.column('origPackets');
    return this.#origPackets;
  }
  get origBytes(): ColumnArrays['origBytes'] {
    this.#origBytes ??= this.store.column('origBytes');
    return this.#origBytes;
  }
  get replyPackets(): ColumnArrays['replyPackets'] {
    this.#replyPackets ??= this.store.column('replyPackets');
    return this.#replyPackets;
  }
  get replyBytes(): ColumnArrays['replyBytes'] {
    this.#replyBytes ??= this.store.column('replyBytes');
    return this.#replyBytes;
  }
  get start(): ColumnArrays['start'] {
    this.#start ??= this.store.column('start');
    return this.#start;
  }
  get stop(): ColumnArrays['stop'] {
    this.#stop ??= this.store.column('stop');
    return this.#stop;
  }
  get type(): ColumnArrays['type'] {
    this.#type ??= this.store.column('type');
    return this.#type;
  }
  get nsid(): ColumnArrays['nsid'] {
    this.#nsid ??= this.store.column('nsid');
    return this.#nsid;
  }
  get portid(): ColumnArrays['portid'] {
    this.#portid ??= this.store.column('portid');
    return this.#portid;
  }
  get own(): ColumnArrays['own'] {
    this.#own ??= this.store.column('own');
    return this.#own;
  }
  get timestampEvent(): ColumnArrays['timestampEvent'] {
    this.#timestampEvent ??= this.store.column('timestampEvent');
    return this.#timestampEvent;
  }
}

export function columnsOf(store: FlowRows): FlowColumns {
  store.flowColumns ??= new FlowColumns(store);
  return store.flowColumns;
}
