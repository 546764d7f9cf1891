// A legacy table as it was read: an image with the bytes that a plan needs.
import { header, TableImage } from '../xtables/image.js';

export class Snapshot extends TableImage {
  /** The fingerprint's bytes, for a plan. */
  get fingerprintBytes(): Uint8Array {
    return this.bytes.subarray(header.fingerprint, header.fingerprint + 16);
  }
}
