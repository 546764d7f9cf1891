// Flows as JSON has them: no 64-bit integers, no bytes.

/**
 * A value fit for JSON: 64-bit values are numbers where a number holds them exactly (counters, in practice) and
 * decimal strings where not (nanoseconds since the epoch).
 */
export function jsonSafe(value: unknown): unknown {
  if (typeof value === 'bigint') {
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(jsonSafe);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, jsonSafe(part)]));
  }
  return value;
}
