// Target HMARK: computes a mark from the parts of the packet that identify its flow, to spread flows over routes
// (struct xt_hmark_info).

import { badRange } from '../../errors.js';
import { maskPrefix, parseMask, prefixMask } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { ArgumentPlace, Draft, Field, Known, Place, Store, ValueType } from './define.js';
import { both, target } from './define.js';
import { given, integer, number } from './number-values.js';
import { be16, be32, bit, mapped, nothing, rawBytes, u16, u32 } from './stores.js';

/**
 * mark = hash(chosen parts) % mod + offset. Needs at least one field other than `mod`, `rnd` and `offset`.
 * `--hmark-tuple src,sport` chooses all bits of those fields.
 */
export interface HmarkTarget extends Known {
  readonly name: 'HMARK';
  /**
   * Leading bits of the source address that count. `--hmark-tuple src` fills all 128 bits of the kernel's field, so
   * IPv4 shows 128. That means and prints the same as 32.
   */
  readonly srcPrefix?: number;
  /** Leading bits of the destination address that count. */
  readonly dstPrefix?: number;
  /** Bits of the source port that count, 0…0xffff. Not together with `spiMask`. */
  readonly sportMask?: number;
  /** Bits of the destination port that count. Not together with `spiMask`. */
  readonly dportMask?: number;
  /** Bits of the SPI of ESP and AH that count, 32 bits. */
  readonly spiMask?: number;
  /** Bits that are set in the source port, 0…0xffff. Not together with `spi`. */
  readonly sport?: number;
  /** Bits that are set in the destination port. Not together with `spi`. */
  readonly dport?: number;
  /** Bits that are set in the SPI. */
  readonly spi?: number;
  /** Bits of the protocol number that count. */
  readonly protoMask?: number;
  /** The seed of the hash, 32 bits. */
  readonly rnd: number;
  /** How many different marks there are, at least 1. */
  readonly mod: number;
  /** The lowest mark; 0 unless given. */
  readonly offset?: number;
  /** Use the addresses and ports of the flow's original direction. */
  readonly ct?: true;
}

/** XT_HMARK_*: bits of `flags`, a u32 at 40. */
const flags = {
  srcPrefix: 0,
  dstPrefix: 1,
  spi: 2,
  spiMask: 3,
  sport: 4,
  dport: 5,
  sportMask: 6,
  dportMask: 7,
  protoMask: 8,
  rnd: 9,
  mod: 10,
  offset: 11,
  ct: 12,
} as const;
type FlagName = keyof typeof flags;
const present = (name: FlagName) => bit(40, 1 << flags[name], 32);

const padded = (digits: number) => (value: number) =>
  `0x${value.toString(16).padStart(digits, '0')}`;
const all32 = 0xffffffff;

function value(
  name: FlagName,
  option: string,
  type: ValueType<number>,
  store: Store<number>,
): Field<number, false> {
  return { options: [`hmark-${option}`], type, store, present: present(name) };
}

const prefixType: ValueType<number> = {
  arity: 1,
  check: (given_, at) => integer(given_, at, 0, 128),
  parse(text, at) {
    const mask = parseMask(text, at.family);
    // iptables 1.8.9 silently reads a mask that is not a prefix as all bits (measured).
    const length = mask && maskPrefix(mask);
    if (length === undefined)
      throw badRange(at.path, 'a prefix length, or a mask that is one', text);
    return length;
  },
  print: (length, cx) => String(cx.family === 'ipv4' ? Math.min(length, 32) : length),
};

/** A mask in the kernel's 16-byte union. */
function prefix(name: 'srcPrefix' | 'dstPrefix', option: string, at: number) {
  const store = mapped(
    rawBytes(at, 16),
    (mask) => maskPrefix(mask),
    (length: number) => prefixMask(length, 'ipv6'),
  );
  return value(name, option, prefixType, store);
}

/** The names of `--hmark-tuple`, in the order in which iptables compares. Any beginning of a name is enough. */
const tuple = {
  src: { srcPrefix: 128 },
  dst: { dstPrefix: 128 },
  sport: { sportMask: 0xffff },
  dport: { dportMask: 0xffff },
  spi: { spiMask: all32 },
  proto: { protoMask: 0xffff },
  ct: { ct: true },
} as const satisfies Record<string, Partial<HmarkTarget>>;

function chooseTuple(text: string, at: ArgumentPlace, draft: Draft<HmarkTarget>): void {
  for (const part of text.split(',')) {
    const found = Object.entries(tuple).find(
      ([name]) => part !== '' && name.startsWith(part.toLowerCase()),
    );
    if (found === undefined) {
      throw badRange(
        at.path,
        `some of ${Object.keys(tuple).join(', ')}, with commas between`,
        text,
      );
    }
    for (const [key, bits] of Object.entries(found[1])) {
      // iptables refuses it only after the tuple. Before the tuple the option has no effect.
      if (draft[key] !== undefined && draft[key] !== bits) {
        throw refused(at.path, `${found[0]} was given in another way already`);
      }
      draft[key] = bits;
    }
  }
}

function check(given_: HmarkTarget, at: Place): void {
  const { srcPrefix, dstPrefix, sportMask, dportMask, spiMask, sport, dport, spi } = given_;
  const ports = sport ?? dport;
  const portMasks = sportMask ?? dportMask;
  const chosen =
    srcPrefix ?? dstPrefix ?? portMasks ?? spiMask ?? ports ?? spi ?? given_.protoMask ?? given_.ct;
  if (chosen === undefined) throw refused(at.path, 'needs a field to compute the mark from');
  if (spiMask !== undefined && portMasks !== undefined) {
    throw refused(at.path, 'spiMask cannot be used together with sportMask and dportMask');
  }
  // hmark_tg_check(): both are in the same bytes.
  if (spi !== undefined && ports !== undefined) {
    throw refused(at.path, 'spi cannot be used together with sport and dport');
  }
}

export const HMARK = target<HmarkTarget>({
  name: 'HMARK',
  revision: 0,
  families: both,
  size: 64,
  fields: {
    srcPrefix: prefix('srcPrefix', 'src-prefix', 0),
    dstPrefix: prefix('dstPrefix', 'dst-prefix', 16),
    sportMask: value('sportMask', 'sport-mask', number(0xffff, 0, padded(4)), be16(32)),
    dportMask: value('dportMask', 'dport-mask', number(0xffff, 0, padded(4)), be16(34)),
    spiMask: value('spiMask', 'spi-mask', number(all32, 0, padded(8)), be32(32)),
    sport: value('sport', 'sport', number(0xffff, 0, padded(4)), be16(36)),
    dport: value('dport', 'dport', number(0xffff, 0, padded(4)), be16(38)),
    spi: value('spi', 'spi', number(all32, 0, padded(8)), be32(36)),
    protoMask: value('protoMask', 'proto-mask', number(0xffff, 0, padded(2)), u16(44)),
    rnd: { ...value('rnd', 'rnd', number(all32, 0, padded(8)), u32(48)), required: true },
    mod: { ...value('mod', 'mod', number(all32, 1), u32(52)), required: true },
    offset: value('offset', 'offset', number(all32), u32(56)),
    ct: {
      type: given,
      store: nothing,
      present: present('ct'),
      print: () => '--hmark-tuple ct',
    },
  },
  spellings: [{ option: 'hmark-tuple', parse: chooseTuple }],
  // `--hmark-tuple src` fills all 128 bits. IPv4 uses the first 32 of them.
  meaning(value, { family }) {
    if (family !== 'ipv4') return value;
    const cut = (key: 'srcPrefix' | 'dstPrefix') =>
      value[key] === undefined ? {} : { [key]: Math.min(value[key], 32) };
    return { ...value, ...cut('srcPrefix'), ...cut('dstPrefix') };
  },
  check,
});
