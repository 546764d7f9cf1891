// Two addresses of a payload that are the ends of a range. If they are equal, the value is one address.
import { formatAddress } from '../text/addresses.js';
import { addressBytes } from './address-values.js';
import type { Store } from './define.js';
import type { Range } from './stores.js';

/** The store of a range, made of the stores of its two ends. */
export function addressRangeStore(
  low: Store<Uint8Array>,
  high: Store<Uint8Array>,
): Store<string | Range<string>> {
  return {
    read(payload, cx) {
      const from = formatAddress(low.read(payload, cx)!);
      const to = formatAddress(high.read(payload, cx)!);
      return from === to ? from : { from, to };
    },
    write(payload, value, cx) {
      const { from, to } = typeof value === 'string' ? { from: value, to: value } : value;
      low.write(payload, addressBytes(from), cx);
      high.write(payload, addressBytes(to), cx);
    },
  };
}
