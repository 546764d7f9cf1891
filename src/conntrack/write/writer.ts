// Writing single flows of one table, and creating many. What a caller gives is copied before the kernel is asked: the
// caller may change it in the meantime.
import type { Family } from '../../constants.js';
import type { RawOutcome } from '../../native/binding.js';
import { writeVerb } from '../../native/numbers.js';
import type { Session } from '../../native/session.js';
import type { Flow } from '../flow/flow.js';
import { FieldPacker } from '../input/field-packer.js';
import { type FlowInit, takeInit } from '../input/init.js';
import { packFlowInit } from '../input/pack-init.js';
import type { TupleInit } from '../input/tuple.js';
import { tableFor } from '../lookup/tuple-chunks.js';
import { TuplePacker } from '../lookup/tuple-packer.js';
import { type FlowChange, packChange } from './change.js';
import {
  type DeleteManyResult,
  deleteMany,
  type UpdateManyResult,
  updateMany,
} from './change-many.js';
import {
  type CreateProgress,
  type CreateResult,
  createMany,
  type UpsertProgress,
  type UpsertResult,
  upsertMany,
  type Write,
} from './create-many.js';
import { errnos, manyOptions, outcomeError } from './many.js';
import { NatHint } from './nat-hint.js';
import { changeOf, tupleOf } from './upsert.js';

export class Writer {
  readonly #session: Session;
  readonly #natHint: NatHint;
  readonly #hint = (families: ReadonlySet<Family>) => this.#natHint.of(families);

  constructor(session: Session) {
    this.#session = session;
    this.#natHint = new NatHint(session);
  }

  async create(flow: FlowInit | Flow): Promise<void> {
    const packer = new FieldPacker();
    const translated = packFlowInit(packer, takeInit(flow, 'flow'), 'flow');
    const outcome = await this.#create(packer.take());
    if (outcome.codes[0] !== 0) throw outcomeError('conntrack create', outcome, 0);
    await this.#natHint.warn(translated);
  }

  async upsert(flow: FlowInit | Flow): Promise<void> {
    const packer = new FieldPacker();
    const taken = takeInit(flow, 'flow');
    const init = taken as unknown as FlowInit;
    const translated = packFlowInit(packer, taken, 'flow');
    const create = packer.take();
    const tuple = new TuplePacker(1);
    tuple.add(tupleOf(init), 'flow');
    const change = changeOf(init);
    if (change !== undefined) packChange(packer, change, tuple.protocol, 'flow');
    const fields = packer.take();
    for (let attempt = 0; ; attempt++) {
      this.#session.checkOpen('conntrack upsert');
      const outcome = await this.#create(create);
      if (outcome.codes[0] === 0) return this.#natHint.warn(translated);
      // The flow can vanish between the two requests, but not each time.
      if (outcome.codes[0] !== errnos.eexist || attempt === 3) {
        throw outcomeError('conntrack upsert', outcome, 0);
      }
      this.#session.checkOpen('conntrack upsert');
      if (change === undefined || (await this.#update(tuple.bytes, fields, 'conntrack upsert'))) {
        return;
      }
    }
  }

  async createMany(flows: Iterable<FlowInit | Flow>, options: unknown): Promise<CreateResult> {
    const checked = manyOptions<CreateProgress>(options);
    const { isNative } = this.#session;
    return createMany(this.#write('create'), flows, checked, this.#hint, isNative);
  }

  async upsertMany(flows: Iterable<FlowInit | Flow>, options: unknown): Promise<UpsertResult> {
    const checked = manyOptions<UpsertProgress>(options);
    const { isNative } = this.#session;
    return upsertMany(this.#write('upsert'), flows, checked, this.#hint, isNative);
  }

  updateMany(
    flows: Iterable<Flow | TupleInit>,
    change: FlowChange,
    options: unknown,
  ): Promise<UpdateManyResult> {
    return updateMany(this.#session, flows, change, options);
  }

  deleteMany(flows: Iterable<Flow | TupleInit>, options: unknown): Promise<DeleteManyResult> {
    return deleteMany(this.#session, flows, options);
  }

  /** Writes many flows for an operation. */
  #write(operation: string): Write {
    return (packed, verb) =>
      this.#session.run(`conntrack ${operation}`, undefined, (binding, handle) =>
        binding.ctWrite(handle, writeVerb[verb], packed),
      );
  }

  async update(target: Flow | TupleInit, change: FlowChange): Promise<boolean> {
    const tuple = new TuplePacker(1);
    tuple.add(target, 'target', tableFor(this.#session, target));
    const packer = new FieldPacker();
    packChange(packer, change, tuple.protocol);
    return this.#update(tuple.bytes, packer.take(), 'conntrack update');
  }

  async delete(target: Flow | TupleInit): Promise<boolean> {
    const packer = new TuplePacker(1);
    packer.add(target, 'target', tableFor(this.#session, target));
    const outcome = await this.#session.run('conntrack delete', undefined, (binding, handle) =>
      binding.ctDelete(handle, packer.bytes),
    );
    const code = outcome.codes[0];
    if (code === errnos.enoent) return false;
    if (code !== 0) throw outcomeError('conntrack delete', outcome, 0);
    return true;
  }

  #create(packed: Uint8Array): Promise<RawOutcome> {
    return this.#session.run('conntrack create', undefined, (binding, handle) =>
      binding.ctWrite(handle, writeVerb.create, packed),
    );
  }

  #update(tuple: Uint8Array, fields: Uint8Array, operation: string): Promise<boolean> {
    return this.#session.run(operation, undefined, (binding, handle) =>
      binding.ctUpdate(handle, tuple, fields),
    );
  }
}
