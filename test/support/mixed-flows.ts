// Flows of many kinds for the tests of filters: families, protocols, states, marks, labels and zones.
import { conntrack, type FlowObject } from '../../src/index.js';
import { inOrder } from './flow-filters.js';
import { fill } from './populate.js';

/** The ids of flows, in order. */
export const idsOf = (flows: Iterable<{ id?: number }>): number[] =>
  Array.from(flows, ({ id }) => id!).sort((a, b) => a - b);

/** All flows of the table, in an order that does not depend on the kernel. */
export async function flowsNow(): Promise<FlowObject[]> {
  return inOrder((await conntrack.dump()).toArray());
}

/** Empties the table and fills it. One flow is in zone 9 in one direction only. */
export async function refill(count = 256): Promise<FlowObject[]> {
  await conntrack.flush();
  fill({ count, seed: 7, labels: true });
  fill({ count: 64, seed: 7, labels: true, zone: 9 });
  await conntrack.create({
    ...{ protocol: 'tcp', timeout: 600 },
    orig: { src: '10.99.0.1', dst: '10.99.0.2', srcPort: 4000, dstPort: 1, zone: 9 },
  });
  return flowsNow();
}
