// Addresses as text. Making the text is the largest part of reading a flow, and a table and its events have the same
// addresses again and again. So the latest texts are kept, in room that does not grow.
import { formatIpv6 } from '../../address.js';

/** `0` to `255`. */
const octets = Array.from({ length: 256 }, (_, octet) => String(octet));

/** The slot of a number: the upper bits of a product mix all of its bits. */
const slotOf = (value: number, bits: number) => Math.imul(value, 0x9e37_79b1) >>> (32 - bits);

const netBits = 8;
const netKeys = new Uint32Array(1 << netBits);
// Before its first use a slot has the key 0. Only slot 0 is asked for that key, and has its text.
const netTexts = new Array<string>(1 << netBits).fill('0.0.0.');

const bits4 = 12;
const keys4 = new Uint32Array(1 << bits4);
const texts4 = new Array<string>(1 << bits4).fill('0.0.0.0');

/** The text of three octets, each with its dot. `net` is an address without its last octet. */
function netText(net: number): string {
  const slot = slotOf(net, netBits);
  if (netKeys[slot] === net) return netTexts[slot]!;
  const text = `${octets[net >>> 16]}.${octets[(net >>> 8) & 0xff]}.${octets[net & 0xff]}.`;
  netKeys[slot] = net;
  netTexts[slot] = text;
  return text;
}

/** `10.0.0.1` for the number 0x0a000001. */
export function ipv4Text(value: number): string {
  const slot = slotOf(value, bits4);
  if (keys4[slot] === value) return texts4[slot]!;
  const text = netText(value >>> 8) + octets[value & 0xff]!;
  keys4[slot] = value;
  texts4[slot] = text;
  return text;
}

const bits6 = 10;
const keys6 = new Uint8Array(16 << bits6);
const texts6 = new Array<string>(1 << bits6).fill('::');

/** The text of the 16 bytes from `at`. */
export function ipv6Text(bytes: Uint8Array, at: number): string {
  let mixed = 0;
  for (let i = at; i < at + 16; i++) mixed = Math.imul(mixed ^ bytes[i]!, 0x0100_0193);
  const slot = slotOf(mixed, bits6);
  let same = 0;
  while (same < 16 && keys6[slot * 16 + same] === bytes[at + same]) same++;
  if (same === 16) return texts6[slot]!;
  const text = formatIpv6(bytes, at);
  for (let i = 0; i < 16; i++) keys6[slot * 16 + i] = bytes[at + i]!;
  texts6[slot] = text;
  return text;
}
