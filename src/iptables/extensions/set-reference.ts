// A set (ipset), with the packet's fields that are looked up in it, as the target SET holds it (struct xt_set_info,
// xt_set_info_v0). Rules hold the set's index. Not an extension.

import { badRange, badType } from '../../errors.js';
import { refused, refusedType } from '../text/refused.js';
import { bare } from '../text/words.js';
import type { Place, Store, ValueType } from './define.js';

import { u8, u16, u32 } from './stores.js';

/** One of the packet's two sides. */
export type SetSide = 'src' | 'dst';

/** A set by name, and the side of the packet for each of its dimensions. */
export interface SetReference {
  /** The name of a set that exists, at most 31 bytes. */
  readonly set: string;
  /** As many as the set has dimensions: 1…6 (5 in revision 0). */
  readonly flags: readonly SetSide[];
}

/** IPSET_INVALID_ID: no set. */
export const noSet = 0xffff;
/** IPSET_SRC and IPSET_DST, of revision 0. */
const sides = { src: 1, dst: 2 } as const;
/** IPSET_DIM_MAX. */
const dimensions = 6;

function known(name: unknown, at: Place): string {
  if (typeof name !== 'string') throw badType(at.path, 'a string', name);
  if (at.sets === undefined) {
    throw refused(at.path, 'rules hold the index of a set: give `sets` to find it by name');
  }
  if (at.sets.indexOf(name) === undefined) {
    throw badRange(at.path, 'the name of a set that exists', name);
  }
  return name;
}

function flagList(list: readonly unknown[], at: Place, max: number): readonly SetSide[] {
  if (list.length === 0 || list.length > max) {
    throw badRange(at.path, `1…${max} of src and dst`, list);
  }
  for (const each of list) {
    if (each !== 'src' && each !== 'dst') throw badRange(at.path, 'src or dst', each);
  }
  return list as readonly SetSide[];
}

/** `NAME src,dst`: the flags are the option's second argument. */
export function setReference(max = dimensions): ValueType<SetReference> {
  return {
    arity: 1,
    check(value, at) {
      if (typeof value !== 'object' || value === null)
        throw badType(at.path, '{ set, flags }', value);
      for (const key of Object.keys(value)) {
        if (key !== 'set' && key !== 'flags') {
          throw refusedType(`${at.path}.${key}`, 'no such field; its fields: set, flags');
        }
      }
      const { set, flags } = value as Partial<Record<keyof SetReference, unknown>>;
      const place = { ...at, path: `${at.path}.flags` };
      if (!Array.isArray(flags)) throw badType(place.path, 'an array of src and dst', flags);
      return {
        set: known(set, { ...at, path: `${at.path}.set` }),
        flags: flagList([...flags], place, max),
      };
    },
    parse(text, at) {
      const set = known(text, at);
      const flags = at.more();
      if (flags === undefined) throw refused(at.path, 'needs a set and src and dst with commas');
      return { set, flags: flagList(flags.split(','), at, max) };
    },
    print: ({ set, flags }) => `${bare(set)} ${flags.join(',')}`,
  };
}

function nameOf(index: number, sets: Place['sets']): string {
  if (sets === undefined) throw new Error('its set is an index, and no names of sets were given');
  const name = sets.nameOf(index);
  if (name === undefined) throw new Error(`there is no set with the index ${index}`);
  return name;
}

/** The index of a set. Throws if it was not asked for: no rule may name another set instead. */
export function indexOf(name: string, sets: Place['sets']): number {
  const index = sets?.indexOf(name);
  if (index === undefined) throw new Error(`the index of the set ${name} is not known`);
  return index;
}

/** struct xt_set_info: index u16, dimensions u8, a bit for each that is `src` (from bit 1 on). */
export function setStore(at: number): Store<SetReference> {
  const index = u16(at);
  const count = u8(at + 2);
  const bits = u8(at + 3);
  return {
    read(payload, cx) {
      const id = index.read(payload, cx)!;
      if (id === noSet) return undefined;
      const flags: SetSide[] = [];
      for (let n = 1; n <= count.read(payload, cx)!; n++) {
        flags.push(bits.read(payload, cx)! & (1 << n) ? 'src' : 'dst');
      }
      return { set: nameOf(id, cx.sets), flags };
    },
    write(payload, { set, flags }, cx) {
      index.write(payload, indexOf(set, cx.sets), cx);
      count.write(payload, flags.length, cx);
      let mask = 0;
      for (const [n, side] of flags.entries()) if (side === 'src') mask |= 1 << (n + 1);
      // A payload with more than 6 dimensions does not read and write back to the same bytes. So it stays raw.
      bits.write(payload, mask & 0xff, cx);
    },
  };
}

/**
 * struct xt_set_info_v0: index u16, then a u32 for each dimension, and 0 at the end. When the rule is loaded, the
 * kernel writes its own form of them (xt_set.c, compat_flags()) after the sixth, which is always 0.
 */
export function setStore0(at: number): Store<SetReference> {
  const index = u16(at);
  const flag = (n: number) => u32(at + 4 + 4 * n);
  return {
    // The kernel's own two bytes follow the sixth. They are ignored, as bytes after the NUL of a string.
    strings: [[at + 4 + 4 * (dimensions - 1), 8]],
    read(payload, cx) {
      const id = index.read(payload, cx)!;
      if (id === noSet) return undefined;
      const flags: SetSide[] = [];
      for (let n = 0; n < dimensions; n++) {
        const side = flag(n).read(payload, cx)!;
        if (side === 0) break;
        flags.push(side & sides.src ? 'src' : 'dst');
      }
      return { set: nameOf(id, cx.sets), flags };
    },
    write(payload, { set, flags }, cx) {
      index.write(payload, indexOf(set, cx.sets), cx);
      for (const [n, side] of flags.entries()) flag(n).write(payload, sides[side], cx);
    },
  };
}
