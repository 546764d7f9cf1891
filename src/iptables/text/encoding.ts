// Text ↔ the kernel's bytes. Names in the kernel may be other bytes than UTF-8, and no byte may be lost. Pure.

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeOrNothing(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * Bytes of the kernel as text. Not all of them are UTF-8: a byte that is not part of a character becomes a lone
 * surrogate U+DC80…U+DCFF. `textToBytes` turns it back, so nothing is lost.
 */
export function bytesToText(bytes: Uint8Array): string {
  // Most are short and plain. This is faster than a decoder.
  if (bytes.length <= 32) {
    let text = '';
    let at = 0;
    for (; at < bytes.length && bytes[at]! < 0x80; at++) text += String.fromCharCode(bytes[at]!);
    if (at === bytes.length) return text;
  }
  const whole = decodeOrNothing(bytes);
  if (whole !== undefined) return whole;
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const from = at;
    for (let length = characterAt(bytes, at); length > 0; length = characterAt(bytes, at))
      at += length;
    if (at > from) text += decoder.decode(bytes.subarray(from, at));
    if (at < bytes.length) text += String.fromCharCode(0xdc00 + bytes[at++]!);
  }
  return text;
}

/** How many bytes the UTF-8 character at `at` has; 0 if there is none. */
function characterAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at];
  if (lead === undefined) return 0;
  if (lead < 0x80) return 1;
  const length = lead >= 0xc2 && lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (lead < 0xc2 || lead > 0xf4 || at + length > bytes.length) return 0;
  // No forms that are longer than needed, no surrogates, nothing above U+10FFFF.
  const second = bytes[at + 1]!;
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  for (let i = 2; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  return length;
}

/** `bytesToText` of a part. */
export function textAt(bytes: Buffer, from: number, to: number): string {
  const text = bytes.toString('utf8', from, to);
  return text.includes('\ufffd') ? bytesToText(bytes.subarray(from, to)) : text;
}

/** What `bytesToText` makes of bytes that are not part of a character. */
export const standIns = /[\udc80-\udcff]/;

/** Text to bytes: UTF-8, and lone surrogates U+DC80…U+DCFF as the bytes that they stand for. */
export function textToBytes(text: string): Uint8Array {
  // Most are short and plain. This is faster than an encoder.
  if (text.length <= 64) {
    const bytes = new Uint8Array(text.length);
    let at = 0;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code >= 0x80) break;
      bytes[at] = code;
    }
    if (at === text.length) return bytes;
  }
  if (!standIns.test(text)) return encoder.encode(text);
  // A code unit needs at most three bytes.
  const bytes = new Uint8Array(3 * text.length);
  let end = 0;
  for (let at = 0; at < text.length; ) {
    const next = nextStandIn(text, at);
    end += encoder.encodeInto(text.slice(at, next), bytes.subarray(end)).written;
    if (next < text.length) bytes[end++] = text.charCodeAt(next) - 0xdc00;
    at = next + 1;
  }
  return bytes.slice(0, end);
}

/** The place of the next lone U+DC80…U+DCFF, else the end. */
function nextStandIn(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0xd800 && code < 0xdc00) {
      const low = text.charCodeAt(at + 1);
      if (low >= 0xdc00 && low < 0xe000) at++;
    } else if (code >= 0xdc80 && code <= 0xdcff) {
      return at;
    }
  }
  return text.length;
}

const strays = /[\ud800-\udc7f\udd00-\udfff]/u;

/** Whether a text has halves of surrogate pairs that stand for no byte. Writing would change them. */
export function hasLoneSurrogates(text: string): boolean {
  return strays.test(text);
}

const encoder = new TextEncoder();
