// Creating many flows: packed in chunks while the kernel works on the chunk before, with an outcome for
// each. Knows packing and order, no socket.
import { iterableAt } from '../checks.js';
import { fromNative, NetfilterError } from '../errors.js';
import type { RawOutcome } from '../native/binding.js';
import { FieldPacker } from './field-packer.js';
import type { Flow } from './flow.js';
import { type FlowInit, packFlowInit } from './flow-init.js';

/** What `createMany` did: how many were made, and which were not, by their place in the input. */
export interface CreateResult {
  created: number;
  failed: { index: number; error: NetfilterError }[];
}

/** Sends packed flows to be created. */
type Write = (packed: Uint8Array) => Promise<RawOutcome>;

/** Flows packed and sent at a time: the JS thread is busy for a few milliseconds at most. */
const chunk = 4096;
const eperm = 1;
const enoent = 2;

/** The error of one item of a batch. */
export function outcomeError(operation: string, outcome: RawOutcome, index: number) {
  const detail = outcome.texts[index];
  return fromNative({ errno: outcome.codes[index]!, operation, ...(detail && { detail }) });
}

const createError = (outcome: RawOutcome, index: number) =>
  outcomeError('conntrack create', outcome, index);

interface Packed {
  index: number;
  bytes: Uint8Array;
}

export async function createMany(
  write: Write,
  flows: Iterable<FlowInit | Flow>,
): Promise<CreateResult> {
  const result: CreateResult = { created: 0, failed: [] };
  // Two in turn: what one holds is sent while the other is filled.
  let packer = new FieldPacker();
  let other = new FieldPacker();
  const single = new FieldPacker();
  const withMaster: Packed[] = [];
  let indexes: number[] = [];
  let index = 0;
  const send = async (packed: Uint8Array, places: readonly number[]) => {
    const outcome = await write(packed);
    const { codes } = outcome;
    for (let i = 0; i < codes.length; i++) {
      // Not of this flow: none can be made without the capability.
      if (codes[i] === eperm) throw createError(outcome, i);
      if (codes[i] === 0) result.created++;
      else result.failed.push({ index: places[i]!, error: createError(outcome, i) });
    }
  };
  // Made only where something is wrong: most flows need no path.
  const path = () => `flows[${index}]`;
  /** False for a flow that cannot be written whatever the kernel says; a bad argument throws. */
  const pack = (into: FieldPacker, flow: FlowInit | Flow) => {
    try {
      packFlowInit(into, flow, path);
      return true;
    } catch (error) {
      if (!(error instanceof NetfilterError)) throw error;
      into.drop();
      result.failed.push({ index, error });
      return false;
    }
  };
  // While the kernel works on one chunk, the next one is packed.
  let sent: Promise<void> | undefined;
  for (const flow of iterableAt(flows, 'flows', 'flows')) {
    if ((flow as FlowInit | null)?.master !== undefined) {
      if (pack(single, flow)) withMaster.push({ index, bytes: single.take() });
      index++;
      continue;
    }
    if (pack(packer, flow)) indexes.push(index);
    index++;
    if (packer.count < chunk) continue;
    if (sent) await sent;
    sent = send(packer.packed, indexes);
    sent.catch(() => {});
    indexes = [];
    [packer, other] = [other, packer];
    packer.reset();
    await new Promise(setImmediate);
  }
  if (sent) await sent;
  if (packer.count > 0) await send(packer.packed, indexes);
  await createWithMaster(write, withMaster, result);
  result.failed.sort((a, b) => a.index - b.index);
  return result;
}

/**
 * The kernel takes a flow that has a master only when that one is there (ENOENT else). So these come after
 * all others, and again, for masters that have masters, while that gets any of them in.
 */
async function createWithMaster(write: Write, flows: Packed[], result: CreateResult) {
  for (let waiting = flows; waiting.length > 0; ) {
    const orphans: (Packed & { error: NetfilterError })[] = [];
    for (let at = 0; at < waiting.length; at += chunk) {
      const part = waiting.slice(at, at + chunk);
      const outcome = await write(Buffer.concat(part.map(({ bytes }) => bytes)));
      outcome.codes.forEach((code, i) => {
        if (code === 0) result.created++;
        else {
          const error = createError(outcome, i);
          if (code === eperm) throw error;
          if (code === enoent) orphans.push({ ...part[i]!, error });
          else result.failed.push({ index: part[i]!.index, error });
        }
      });
    }
    if (orphans.length === waiting.length) {
      result.failed.push(...orphans.map(({ index, error }) => ({ index, error })));
      return;
    }
    waiting = orphans;
  }
}
