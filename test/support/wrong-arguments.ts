// Wrong arguments, and the error that a method must throw for each. The addon cannot be loaded in these tests, so a
// call that is not refused in time fails with another error.
import { inspect } from 'node:util';
import { NetfilterError } from '../../src/index.js';
import { assert, throws } from './harness.js';

process.env.CONNTRACK_ADDON = '/nonexistent/addon.node';

/** The wrong value, the error's class, the whole path that the message names, and a part of the message. */
export type Wrong = [value: unknown, kind: ErrorConstructor, path: string, says?: RegExp];

export async function refused(call: (value: unknown) => unknown, list: Wrong[]): Promise<void> {
  const problems: string[] = [];
  for (const [value, kind, path, says] of list) {
    const wanted = `${kind.name} ${path}: ${says ?? ''}`;
    let error: unknown;
    try {
      await call(value);
    } catch (thrown) {
      error = thrown;
    }
    const good =
      error instanceof kind &&
      error.message.startsWith(`${path}: `) &&
      (says?.test(error.message) ?? true);
    if (!good) problems.push(`${inspect(value)}: expected ${wanted}, got ${String(error)}`);
  }
  assert.equal(problems, []);
}

/** The call passes all checks: it fails only because it cannot load the addon. */
export async function accepted(call: () => unknown): Promise<void> {
  const error = await throws(NetfilterError, /load addon: ERR_NETFILTER_ADDON/, call);
  assert.is(error.code, 'ERR_NETFILTER_ADDON');
}

export async function drain(batches: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of batches);
}

export const notObjects: Wrong[] = [null, 1, 'tcp', true, [], 1n, Symbol.iterator].map((value) => [
  value,
  TypeError,
  '$',
]);

/** The same wrong values under another path. */
export const at = (path: string, list: Wrong[]): Wrong[] =>
  list.map(
    ([value, kind, inner, says]) =>
      [value, kind, inner.replace('$', path), ...(says ? [says] : [])] as Wrong,
  );

export const inside = (name: string, list: Wrong[]): Wrong[] =>
  list.map(
    ([value, kind, inner, says]) =>
      [{ [name]: value }, kind, inner.replace('$', `$.${name}`), ...(says ? [says] : [])] as Wrong,
  );

export const integers = (to: number): Wrong[] => [
  ...['1', null, {}, [], true, 1n].map((value): Wrong => [value, TypeError, '$', /an integer/]),
  ...[-1, 1.5, to + 1, Number.NaN, Number.POSITIVE_INFINITY].map(
    (value): Wrong => [value, RangeError, '$', new RegExp(`from \\d+ to ${to}`)],
  ),
];

export const addresses: Wrong[] = [
  ...[1, null, {}, [], true, Buffer.from([10, 0, 0, 1])].map(
    (value): Wrong => [value, TypeError, '$', /address/],
  ),
  ...[
    '',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.01',
    '1.2.3.4.5',
    'localhost',
    ' 10.0.0.1',
    '::1::',
    '1:2',
  ].map((value): Wrong => [value, RangeError, '$', /an IPv4 or IPv6 address/]),
  ...['fe80::1%eth0', '10.0.0.1\0', '0x0a000001', '::ffff:1.2.3', '12345::', ':1'].map(
    (value): Wrong => [value, RangeError, '$'],
  ),
];

export const protocols: Wrong[] = [
  ...[null, {}, true].map((value): Wrong => [value, TypeError, '$']),
  ...['TCP', 'http', '6', '', 256, -1, 1.5].map((value): Wrong => [value, RangeError, '$']),
];

export const statuses: Wrong[] = [
  ['ASSURED', RangeError, '$'],
  ['nonesuch', RangeError, '$'],
  [5, TypeError, '$'],
];

export const ports = { srcPort: 1, dstPort: 2 };
export const v4 = { src: '10.0.0.1', dst: '10.0.0.2' };
export const v6 = { src: 'fd00::1', dst: 'fd00::2' };
export const tcp = { protocol: 'tcp', ...v4, ...ports } as const;
