// Values for JSON, which has no 64-bit integers and no bytes.

/**
 * The value for JSON. A 64-bit value is a number where a number holds it exactly (in practice, a counter), and a
 * decimal string elsewhere (nanoseconds since the epoch). Bytes are hexadecimal text.
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
