// The matches and the target of an entry → their typed forms, remembered from rule to rule. Text and
// the part before the matches are elsewhere.
import { checkEntry, layouts, partEnd, readUint16 } from './entry.js';
import type { Typed } from './extensions/codec.js';
import { decode } from './extensions/codec.js';
import type { Kind, UnknownExtension } from './extensions/define.js';
import { registry } from './extensions/index.js';
import { bytesToText } from './extensions/stores.js';
import type { HostNames } from './host-names.js';
import type { Family } from './ip-text.js';
import type { DecodeOptions, GotoTarget, JumpTarget, Match, Target } from './rule-types.js';
import { isVerdict, noTarget, verdicts } from './rule-types.js';

export interface Parts {
  readonly matches: readonly Match[];
  readonly target: Target | undefined;
}

export type ReadOptions = DecodeOptions & { names: HostNames; family: Family };

// Extensions repeat from rule to rule: their bytes, header included, lead straight to the frozen typed
// form. What depends on the host (sets) is never remembered, nor what stays raw.
type Remembered = Map<string, Typed>;
const remembered: Record<Family, Record<Kind, Remembered>> = {
  ipv4: { match: new Map(), target: new Map() },
  ipv6: { match: new Map(), target: new Map() },
};
const rememberedLimit = 8192;
const rememberedSize = 256;

const verdictTargets = new Map<string, Target>(
  verdicts.map((name) => [name, Object.freeze({ name })]),
);

function headerName(entry: Buffer, at: number): string {
  let end = at + 2;
  let plain = true;
  while (end < at + 31 && entry[end] !== 0) if (entry[end++]! >= 0x80) plain = false;
  return plain ? entry.toString('latin1', at + 2, end) : bytesToText(entry.subarray(at + 2, end));
}

function readExtension(
  kind: Kind,
  entry: Buffer,
  at: number,
  end: number,
  options: ReadOptions,
): Typed | UnknownExtension {
  const { family } = options;
  const cache = remembered[family][kind];
  // Large ones, mostly comments, hardly repeat: the key would cost more than it saves.
  const key = end - at <= rememberedSize ? entry.toString('latin1', at, end) : undefined;
  const known = key === undefined ? undefined : cache.get(key);
  if (known !== undefined) return known;
  const name = headerName(entry, at);
  const revision = entry[at + 31]!;
  const payload = entry.subarray(at + 32, end);
  const extension = registry.find(family, kind, name, revision);
  const newest = registry.newest(family, kind, name);
  if (extension === undefined) {
    const warning = newest === undefined ? `unknown ${kind}` : `unknown revision ${revision}`;
    return { name, revision, data: Uint8Array.from(payload), warning };
  }
  const typed = decode(extension, payload, options, newest === extension);
  if (key !== undefined && !('data' in typed) && !extension.namesSets) {
    if (cache.size >= rememberedLimit) cache.clear();
    cache.set(key, typed as Typed);
  }
  return typed;
}

function targetAt(
  entry: Buffer,
  flagsAt: number,
  at: number,
  end: number,
  options: ReadOptions,
): Target | undefined {
  const { family, isChain } = options;
  const name = headerName(entry, at);
  const standard = end - at === 40 && entry[at + 31] === 0;
  const chain = standard && isChain?.(name) === true;
  if (standard && !chain) {
    if (name === noTarget) return undefined;
    if (isVerdict(name)) return verdictTargets.get(name);
  }
  const isExtension =
    !chain && (!standard || isChain !== undefined || registry.has(family, 'target', name));
  if (isExtension || entry.subarray(at + 32, end).some((byte) => byte !== 0)) {
    return readExtension('target', entry, at, end, options) as Target;
  }
  const isGoto = (entry[flagsAt]! & layouts[family].goto) !== 0;
  return Object.freeze({ name: isGoto ? 'goto' : 'jump', chain: name } as JumpTarget | GotoTarget);
}

const noMatches: readonly Match[] = Object.freeze([]);

/** Reads what stands after the head. Throws where sizes do not fit together. */
export function readParts(raw: Uint8Array, options: ReadOptions): Parts {
  const entry = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  checkEntry(entry, options.family);
  return { matches: readMatches(entry, 0, options), target: readTarget(entry, 0, options) };
}

/** The matches of the entry that begins at `at`, whose sizes are known to fit together. */
export function readMatches(bytes: Buffer, at: number, options: ReadOptions): readonly Match[] {
  const { size, targetOffset } = layouts[options.family];
  const end = at + readUint16(bytes, at + targetOffset);
  let from = at + size;
  if (from >= end) return noMatches;
  const matches: Match[] = [];
  while (from < end) {
    const to = partEnd(bytes, from, end);
    matches.push(readExtension('match', bytes, from, to, options) as Match);
    from = to;
  }
  return Object.freeze(matches);
}

/** The target of such an entry. */
export function readTarget(bytes: Buffer, at: number, options: ReadOptions): Target | undefined {
  const { flags, targetOffset, nextOffset } = layouts[options.family];
  const from = at + readUint16(bytes, at + targetOffset);
  const end = at + readUint16(bytes, at + nextOffset);
  return targetAt(bytes, at + flags, from, end, options);
}

/** The raw form, whose bytes can be changed; everything else is frozen. */
export function hasRaw(each: Match | Target): boolean {
  return each.data !== undefined;
}
