// The TCP detail of a flow to write: its types, its checks and its packed form.
import {
  type Fields,
  integerAt,
  objectAt,
  oneOf,
  oneOrMoreAt,
  onlyFields,
  u8At,
} from '../../checks.js';
import { type TcpFlagName, tcpFlagBits, tcpFlagNames } from '../../constants.js';
import { windowScale } from '../../native/numbers.js';
import { field } from '../columns/schema.js';
import type { BothDirections } from '../flow/fields.js';
import type { FieldPacker } from './field-packer.js';

/** What is set of the TCP flags of one direction: all flags that it will have. */
export type TcpFlags = TcpFlagName | readonly TcpFlagName[];

/** TCP detail of a flow to create. */
export interface TcpInit {
  /** CTA_PROTOINFO_TCP_WSCALE_* — window scale by direction, 0 to 14 (RFC 7323). */
  wscale?: BothDirections<number>;
  /** CTA_PROTOINFO_TCP_FLAGS_* — the flags of each direction. A direction that is not named is left as it is. */
  flags?: Partial<BothDirections<TcpFlags>>;
  /** The flags as IP_CT_TCP_FLAG_* bits. Beside `flags` only bits without a name count. */
  flagBits?: BothDirections<number>;
}

/** Flags to set and flags to clear. The others stay as they are. */
export interface TcpFlagChange {
  /** Flags to set. */
  set?: TcpFlags;
  /** Flags to clear. */
  clear?: TcpFlags;
}

/** TCP detail to change in a living flow. */
export interface TcpChange extends Omit<TcpInit, 'flags'> {
  /**
   * The flags of each direction: all that it will have, or some to set and some to clear:
   * `{ orig: { set: 'be_liberal' }, reply: { set: 'be_liberal' } }`. A direction that is not named is left as it is.
   */
  flags?: Partial<BothDirections<TcpFlags | TcpFlagChange>>;
}

/** What writing is for: a flow that was read takes what it has, and only a change has flags to clear. */
export type WriteUse = 'create' | 'change' | 'read';

const named = Object.values(tcpFlagBits).reduce((all, bit) => all | bit, 0);
const packed = {
  orig: { flags: field.tcpFlagsOrig, mask: field.tcpMaskOrig, scale: field.tcpWscaleOrig },
  reply: { flags: field.tcpFlagsReply, mask: field.tcpMaskReply, scale: field.tcpWscaleReply },
} as const;
const directions = ['orig', 'reply'] as const;

function bitsAt(value: unknown, path: string): number {
  const { list, many } = oneOrMoreAt(value, path);
  return list.reduce<number>((bits, name, i) => {
    return bits | tcpFlagBits[oneOf(name, many ? `${path}[${i}]` : path, tcpFlagNames)];
  }, 0);
}

const isChange = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The bits of one direction, and which of them are written. */
function flagsAt(value: unknown, path: string, use: WriteUse): { bits: number; mask: number } {
  if (use !== 'change' || !isChange(value)) return { bits: bitsAt(value, path), mask: 0xff };
  onlyFields(value, new Set(['set', 'clear']), path);
  const bits = value.set === undefined ? 0 : bitsAt(value.set, `${path}.set`);
  const clear = value.clear === undefined ? 0 : bitsAt(value.clear, `${path}.clear`);
  if ((bits | clear) === 0) throw new TypeError(`${path}: changes nothing`);
  if ((bits & clear) !== 0) throw new RangeError(`${path}: a flag is both set and cleared`);
  return { bits, mask: bits | clear };
}

/** A number for each direction. */
export function pairAt(
  value: unknown,
  path: string,
  read: (value: unknown, path: string) => number,
): [number, number] {
  const pair = objectAt(value, path);
  onlyFields(pair, new Set(['orig', 'reply']), path);
  return [read(pair.orig, `${path}.orig`), read(pair.reply, `${path}.reply`)];
}

function packFlags(packer: FieldPacker, tcp: Fields, path: string, use: WriteUse): void {
  const bits =
    tcp.flagBits === undefined ? undefined : pairAt(tcp.flagBits, `${path}.flagBits`, u8At);
  const flags = tcp.flags === undefined ? {} : objectAt(tcp.flags, `${path}.flags`);
  onlyFields(flags, new Set(directions), `${path}.flags`);
  if (tcp.flags !== undefined && directions.every((name) => flags[name] === undefined)) {
    throw new TypeError(`${path}.flags: names no direction`);
  }
  for (const [i, name] of directions.entries()) {
    const given = flags[name];
    if (given === undefined && bits === undefined) continue;
    const of =
      given === undefined
        ? { bits: bits![i]!, mask: 0xff }
        : flagsAt(given, `${path}.flags.${name}`, use);
    const unnamed = given === undefined ? 0 : (bits?.[i] ?? 0) & ~named & of.mask;
    packer.u8(packed[name].flags, of.bits | unnamed);
    packer.u8(packed[name].mask, of.mask);
  }
}

export function packTcp(packer: FieldPacker, value: unknown, path: string, use: WriteUse): void {
  const tcp = objectAt(value, path);
  onlyFields(tcp, new Set(['wscale', 'flags', 'flagBits']), path);
  const flagged = tcp.flags !== undefined || tcp.flagBits !== undefined;
  if (flagged) packFlags(packer, tcp, path, use);
  if (tcp.wscale === undefined) return;
  if (!flagged && use !== 'read') {
    for (const name of directions) {
      packer.u8(packed[name].flags, windowScale);
      packer.u8(packed[name].mask, windowScale);
    }
  }
  const scale = (number: unknown, at: string) => integerAt(number, at, 0, 14);
  const scales = pairAt(tcp.wscale, `${path}.wscale`, scale);
  for (const [i, name] of directions.entries()) packer.u8(packed[name].scale, scales[i]!);
}

/** Whether a direction gets IP_CT_TCP_FLAG_WINDOW_SCALE. What is wrong is found when it is packed. */
function hasScaleFlag(tcp: TcpChange, name: 'orig' | 'reply'): boolean {
  const given: unknown = tcp.flags?.[name];
  if (given === undefined) return ((tcp.flagBits?.[name] ?? 0) & windowScale) !== 0;
  const names = isChange(given) ? given.set : given;
  return names === 'window_scale' || (Array.isArray(names) && names.includes('window_scale'));
}

/** Whether the flags let the kernel take the window scales. Scales of 0 need no flag. */
export function scalesFit(tcp: TcpChange): boolean {
  const { wscale } = tcp;
  if (wscale === undefined || (tcp.flags === undefined && tcp.flagBits === undefined)) return true;
  return (
    directions.every((name) => hasScaleFlag(tcp, name)) ||
    directions.every((name) => wscale[name] === 0)
  );
}
