// Flows that a test creates. Each is read back by the package, by conntrack(8) and by libnetfilter_conntrack. A table in
// memory is read by the package alone.
import type { FlowInit, FlowObject } from '../../src/index.js';
import { canonical, meaningful, nfctAttributes, oracleFlow } from './compare.js';
import { conntrackList } from './conntrack-oracle.js';
import { assert } from './harness.js';
import { type NfctAttributes, nfctDump } from './nfct-oracle.js';
import { conntrack, memory } from './table.js';

/** The only flow of the table. All three must agree on it. */
export async function only(): Promise<{ flow: FlowObject; library: NfctAttributes }> {
  const batch = await conntrack.dump();
  assert.is(batch.length, 1);
  const view = batch.at(0)!;
  const flow = view.toObject();
  assert.is(canonical((await conntrack.get(view))!.orig), canonical(flow.orig));
  if (memory !== undefined) return { flow, library: nfctAttributes(flow) };
  const [message] = nfctDump();
  const { timeout, ...library } = meaningful(message!.attributes);
  const { timeout: _ours, ...ours } = nfctAttributes(flow);
  assert.is(canonical(ours), canonical(library));
  const [line] = conntrackList({ labels: true });
  assert.is(canonical({ ...line, timeout: 0 }), canonical({ ...oracleFlow(view), timeout: 0 }));
  return { flow, library: { ...library, timeout: timeout! } };
}

export async function created(init: FlowInit): ReturnType<typeof only> {
  await conntrack.flush();
  await conntrack.create(init);
  return only();
}

export function has(actual: object, expected: object): void {
  const part = Object.fromEntries(
    Object.keys(expected).map((key) => [key, (actual as Record<string, unknown>)[key]]),
  );
  assert.is(canonical(part), canonical(expected));
}

export const v4 = { src: '10.1.0.1', dst: '192.0.2.1' };
export const v6 = { src: 'fd01::1', dst: '2001:db8::1' };
export const ports = { srcPort: 1024, dstPort: 443 };
export const timeout = 3600;
