// The matches and the target of an entry → their typed forms. Remembers them from rule to rule. head-bytes.ts reads
// the part before the matches.
import { decodeAt } from '../extensions/codec.js';
import type { Extension, Kind, Typed, UnknownExtension } from '../extensions/define.js';
import { registry } from '../extensions/index.js';
import type { GotoTarget, JumpTarget, Match, RuleContext, Target } from '../rule/types.js';
import { isVerdict, verdicts } from '../rule/types.js';
import type { Family } from '../text/addresses.js';
import { textAt } from '../text/encoding.js';
import { layouts, noTarget, partEnd, readUint16 } from './entry.js';

export interface Parts {
  readonly matches: readonly Match[];
  readonly target: Target | undefined;
}

/** How entries are read. */
export interface EntryContext extends RuleContext {
  /** Tells a jump from an unknown target of the same size. Without it the size decides. */
  readonly isChain: ((name: string) => boolean) | undefined;
}

// Extensions repeat from rule to rule. So their bytes, header included, are the key of the frozen typed form.
// Extensions that depend on the host (sets) are never remembered, and raw ones neither.
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
  const nul = entry.indexOf(0, at + 2);
  return textAt(entry, at + 2, nul < 0 ? at + 31 : Math.min(nul, at + 31));
}

interface Known {
  extension: Extension;
  newest: boolean;
}

/** By the bytes of name and revision in a header. Has only known extensions, so it cannot grow without a limit. */
const known: Record<Family, Record<Kind, Map<string, Known>>> = {
  ipv4: { match: new Map(), target: new Map() },
  ipv6: { match: new Map(), target: new Map() },
};

function knownAt(kind: Kind, entry: Buffer, at: number, family: Family): Known | undefined {
  const header = entry.toString('latin1', at + 2, at + 32);
  const before = known[family][kind].get(header);
  if (before !== undefined) return before;
  const name = headerName(entry, at);
  const extension = registry.find(family, kind, name, entry[at + 31]!);
  if (extension === undefined) return undefined;
  const found: Known = { extension, newest: registry.newest(family, kind, name) === extension };
  // In an entry that a caller made, there may be any bytes after the NUL.
  if (headerSaysOnly(entry, at, name)) known[family][kind].set(header, found);
  return found;
}

function headerSaysOnly(entry: Buffer, at: number, name: string): boolean {
  for (let i = at + 2 + name.length; i < at + 31; i++) if (entry[i] !== 0) return false;
  return true;
}

function readExtension(
  kind: Kind,
  entry: Buffer,
  at: number,
  end: number,
  options: EntryContext,
): Typed | UnknownExtension {
  const { family } = options;
  const cache = remembered[family][kind];
  // Large ones are usually comments, which hardly repeat. The key would cost more than it saves.
  const key = end - at <= rememberedSize ? entry.toString('latin1', at, end) : undefined;
  const before = key === undefined ? undefined : cache.get(key);
  if (before !== undefined) return before;
  const found = knownAt(kind, entry, at, family);
  if (found === undefined) {
    const name = headerName(entry, at);
    const revision = entry[at + 31]!;
    const isKnown = registry.newest(family, kind, name) !== undefined;
    const warning = isKnown ? `unknown revision ${revision}` : `unknown ${kind}`;
    const data = new Uint8Array(entry.subarray(at + 32, end));
    return Object.freeze({ name: 'raw', extension: name, revision, data, warning });
  }
  const { extension, newest } = found;
  const typed = decodeAt(extension, entry, at + 32, end, options, newest);
  if (key !== undefined && typed.name !== 'raw' && !extension.namesSets) {
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
  options: EntryContext,
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

/** Reads the part after the head, of an entry whose sizes fit together. */
export function readParts(raw: Uint8Array, options: EntryContext): Parts {
  const entry = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  return { matches: readMatches(entry, 0, options), target: readTarget(entry, 0, options) };
}

/** The matches of the entry that begins at `at`. Its sizes must fit together. */
export function readMatches(bytes: Buffer, at: number, options: EntryContext): readonly Match[] {
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
export function readTarget(bytes: Buffer, at: number, options: EntryContext): Target | undefined {
  const { flags, targetOffset, nextOffset } = layouts[options.family];
  const from = at + readUint16(bytes, at + targetOffset);
  const end = at + readUint16(bytes, at + nextOffset);
  return targetAt(bytes, at + flags, from, end, options);
}

/** Whether it is the raw form. A caller can change its bytes; everything else is frozen. */
export function hasRaw(each: Match | Target): boolean {
  return each.name === 'raw';
}
