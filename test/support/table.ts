// The table that a run is for: that of the kernel, or one in memory. test/run.ts runs a file once for each that its first
// lines name (`Kernels: linux, memory`). Both must pass the same tests.
import { type Conntrack, conntrack as linux, Conntrack as Opened } from '../../src/index.js';
import { MemoryKernel } from '../../src/testing/testing.js';
import { assert } from './harness.js';
import { Netns } from './netns.js';
import { type FillOptions, fill as fillKernel, useLabels as useInKernel } from './populate.js';

/** The kernel in memory that this run is for; `undefined`: the kernel of the machine. */
export const memory = process.env.TEST_KERNEL === 'memory' ? new MemoryKernel() : undefined;

/** The table under test. */
export const conntrack: Conntrack = memory?.conntrack ?? linux;

/** Why a case needs the kernel of the machine; `undefined` where it runs. */
export const needsLinux = (reason: string): string | undefined =>
  memory === undefined ? undefined : `in memory: ${reason}`;

/** Another handle of the same table. */
export const openTable = (): Conntrack => memory?.openConntrack() ?? Opened.open();

/** A table of its own, without room for labels, and what opens it again. */
interface NewTable extends Disposable {
  readonly table: Conntrack;
  readonly netns: Netns | undefined;
  readonly open: () => Conntrack;
}

/** Another, empty table. */
export function newTable(): NewTable {
  if (memory !== undefined) {
    const kernel = new MemoryKernel({ labels: false });
    const table = kernel.conntrack;
    const end = () => table[Symbol.dispose]();
    return { table, netns: undefined, open: () => kernel.openConntrack(), [Symbol.dispose]: end };
  }
  const netns = Netns.create();
  const table = Opened.open({ netns: netns.path });
  const end = () => {
    table[Symbol.dispose]();
    netns[Symbol.dispose]();
  };
  const open = () => Opened.open({ netns: netns.path });
  return { table, netns, open, [Symbol.dispose]: end };
}

/** How many flows the table has. */
export const flowCount = async (): Promise<number> =>
  memory === undefined ? Netns.current.flowCount() : conntrack.count();

/** Accounting, timestamps and events, for flows that are made from now on. */
export async function sysctls(values: {
  acct?: 0 | 1;
  timestamp?: 0 | 1;
  events?: 0 | 1 | 2;
}): Promise<void> {
  if (memory === undefined) return Netns.current.conntrackSysctls(values);
  const { acct, timestamp, events } = values;
  await conntrack.configure({
    ...(acct !== undefined && { acct: acct === 1 }),
    ...(timestamp !== undefined && { timestamp: timestamp === 1 }),
    ...(events !== undefined && { events }),
  });
}

/** Gives new flows room for labels. In memory they have it. */
export function useLabels(): void {
  if (memory === undefined) useInKernel();
}

/** Fills the table. The flows in memory are those that the kernel makes of the same request. */
export async function fill(options: Omit<FillOptions, 'netns'>): Promise<void> {
  if (memory === undefined) {
    fillKernel(options);
    return;
  }
  scratch ??= newScratch();
  const { netns, table } = scratch;
  await table.flush();
  fillKernel({ ...options, netns });
  const { failed } = await conntrack.createMany(await table.dump());
  assert.equal(failed, []);
}

/** Where the kernel makes the flows that the table in memory gets. It ends with the sandbox of the file. */
let scratch: ReturnType<typeof newScratch> | undefined;
function newScratch() {
  const netns = Netns.create();
  useInKernel(netns);
  return { netns, table: Opened.open({ netns: netns.path }) };
}
