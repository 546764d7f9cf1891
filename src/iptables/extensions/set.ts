// Match set: a set of ipset (struct xt_set_info_match_v0, _v1, _v3, _v4; revision 2 shares the payload of
// 1). The payload holds the set's index on this host; names come from the caller.

import { badRange, badType } from '../../errors.js';
import { textToBytes } from '../text/encoding.js';
import { refused } from '../text/refused.js';
import { bare } from '../text/words.js';
import type { Known, Not, Place, Store, ValueType } from './define.js';
import { both, ipv4, match } from './define.js';
import { bigNumber, given } from './number-values.js';
import { indexOf } from './set-reference.js';
import { bit, flagBit, mapped, u16, u32, u64 } from './stores.js';

/** Which address or port of the packet is looked up in one dimension of the set. */
export type SetDirection = 'src' | 'dst';

export interface SetMatch extends Known {
  readonly name: 'set';
  /** The name of the set, which must exist. */
  readonly matchSet: Not<string>;
  /** One to six, as many as the set's type has dimensions. */
  readonly flags: readonly SetDirection[];
  /** An element with `nomatch` counts as a match. Revision 2. */
  readonly returnNomatch?: true;
  /** The counters of the element do not change (`! --update-counters`). Revision 3. */
  readonly updateCounters?: false;
  /** The same for the element in a member of a list of sets (`! --update-subcounters`). Revision 3. */
  readonly updateSubcounters?: false;
  /** The element's packet counter before this packet; only one of these three. Revision 3. */
  readonly packetsEq?: Not<bigint>;
  readonly packetsLt?: bigint;
  readonly packetsGt?: bigint;
  /** The element's byte counter before this packet; only one of these three. Revision 3. */
  readonly bytesEq?: Not<bigint>;
  readonly bytesLt?: bigint;
  readonly bytesGt?: bigint;
}

/** IPSET_DIM_MAX. */
const maxDimensions = 6;
/** IPSET_MAXNAMELEN with its NUL is 32. */
const maxName = 31;
/** IPSET_COUNTER_*. */
const counterOp = { eq: 1, ne: 2, lt: 3, gt: 4 } as const;
/** IPSET_FLAG_*, in `flags` of revisions 3 and 4. */
const command = { skipCounter: 8, skipSubcounter: 0x10, returnNomatch: 0x80 } as const;

const setName: ValueType<string> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    const length = textToBytes(value).length;
    if (length === 0 || length > maxName) {
      throw badRange(at.path, `the name of a set, 1…${maxName} bytes`, value);
    }
    if (at.sets === undefined) {
      throw refused(at.path, 'the names of sets are known only together with the kernel');
    }
    if (at.sets.indexOf(value) === undefined) {
      throw badRange(at.path, 'a set that exists (ipset create)', value);
    }
    return value;
  },
  parse: (text, at) => setName.check(text, at),
  print: bare,
};

const directions: ValueType<readonly SetDirection[]> = {
  arity: 1,
  check(value, at) {
    if (!Array.isArray(value)) throw badType(at.path, "an array of 'src' and 'dst'", value);
    for (const [index, each] of value.entries()) {
      if (each !== 'src' && each !== 'dst') {
        throw badRange(`${at.path}[${index}]`, "'src' or 'dst'", each);
      }
    }
    if (value.length === 0 || value.length > maxDimensions) {
      throw badRange(at.path, `one to ${maxDimensions} of src and dst`, value);
    }
    return [...value];
  },
  parse: (text, at) => directions.check(text.split(','), at),
  print: (value) => value.join(','),
};

const nameStore: Store<string> = {
  read(payload, cx) {
    const index = u16(0).read(payload, cx)!;
    const name = cx.sets?.nameOf(index);
    // Without the name of its set the match stays raw: another name would mean another rule.
    if (name === undefined) throw new Error(`no name is known for the set with index ${index}`);
    return name;
  },
  write: (payload, name, cx) => u16(0).write(payload, indexOf(name, cx.sets), cx),
};

/**
 * struct xt_set_info: `dim` at 2, `flags` at 3. From bit 1 on, each dimension has one bit (set for src). Bit 0
 * negates.
 */
const directionStore: Store<readonly SetDirection[]> = {
  read(payload) {
    const bits = payload.getUint8(3);
    const list = Array.from({ length: payload.getUint8(2) }, (_, index) =>
      bits & (2 << index) ? 'src' : 'dst',
    );
    return list.length > maxDimensions ? undefined : (list as SetDirection[]);
  },
  write(payload, list) {
    payload.setUint8(2, list.length);
    const bits = list.reduce((sum, each, index) => sum | (each === 'src' ? 2 << index : 0), 0);
    payload.setUint8(3, (payload.getUint8(3) & ~0x7e) | bits);
  },
};

// struct xt_set_info_v0: after the index come six words, one for each dimension (IPSET_SRC 1, IPSET_DST 2; in the
// first one IPSET_MATCH_INV 4). From them the kernel writes dim at 28 and flags at 29, in the form of revision 1
// (xt_set.c, compat_flags()).
const negated0: Store<boolean> = {
  read: (payload, cx) => (u32(4).read(payload, cx)! & 4) !== 0,
  write(payload, not, cx) {
    bit(4, 4, 32).write(payload, not, cx);
    bit(29, 1).write(payload, not, cx);
  },
};
const directionStore0: Store<readonly SetDirection[]> = {
  read(payload, cx) {
    const list: SetDirection[] = [];
    for (let index = 0; index < maxDimensions; index++) {
      const word = u32(4 + 4 * index).read(payload, cx)! & 3;
      if (word === 0) break;
      list.push(word & 1 ? 'src' : 'dst');
    }
    return list;
  },
  write(payload, list, cx) {
    let bits = payload.getUint8(29) & 1;
    for (const [index, each] of list.entries()) {
      const at = 4 + 4 * index;
      const inverted = index === 0 ? u32(at).read(payload, cx)! & 4 : 0;
      u32(at).write(payload, inverted | (each === 'src' ? 1 : 2), cx);
      if (each === 'src') bits |= 2 << index;
    }
    payload.setUint8(28, list.length);
    payload.setUint8(29, bits);
  },
};

/** A condition for a counter: its operator is at `op`, its value at `value`. */
function counter(op: number, value: number, code: number, also?: number): Store<bigint> {
  return {
    read(payload, cx) {
      const found = payload.getUint8(op);
      return found === code || found === also ? u64(value).read(payload, cx) : undefined;
    },
    write(payload, count, cx) {
      payload.setUint8(op, code);
      u64(value).write(payload, count, cx);
    },
  };
}

/** A bit: `false` if it is set, absent if it is not. */
const unless = (mask: number): Store<false> =>
  mapped(
    flagBit(40, mask, 32),
    () => false as const,
    () => true as const,
  );

const absent = { read: () => undefined, write: () => void 0 };
const falseType: ValueType<false> = {
  arity: 0,
  check(value, at) {
    if (value !== false) throw badType(at.path, 'false (leave it out for true)', value);
    return false;
  },
  parse: () => false,
  print: () => '',
};

const needs = {
  returnNomatch: 2,
  updateCounters: 3,
  updateSubcounters: 3,
  packetsEq: 3,
  packetsLt: 3,
  packetsGt: 3,
  bytesEq: 3,
  bytesLt: 3,
  bytesGt: 3,
} as const;
const size = { 0: 32, 1: 8, 2: 8, 3: 48, 4: 48 } as const;

function set(revision: 0 | 1 | 2 | 3 | 4) {
  const counts = revision >= 3;
  // Revision 3 has the operator before the value, revision 4 after it.
  const place = (start: number) =>
    revision === 3 ? ([start, start + 8] as const) : ([start + 8, start] as const);
  const count = bigNumber();
  const condition = (word: 'packets' | 'bytes', kind: 'eq' | 'lt' | 'gt') => {
    const [op, value] = place(word === 'packets' ? 8 : 24);
    const upper = `${kind[0]!.toUpperCase()}${kind[1]}`;
    const others = ['Eq', 'Lt', 'Gt'].filter((each) => each !== upper);
    const also = kind === 'eq' ? counterOp.ne : undefined;
    return {
      ...(counts && { options: [`${word}-${kind}`] }),
      type: count,
      store: counts ? counter(op, value, counterOp[kind], also) : absent,
      excludes: others.map((each) => `${word}${each}`),
    };
  };
  const unequal = (word: 'packets' | 'bytes'): Store<boolean> => {
    const [op] = place(word === 'packets' ? 8 : 24);
    return {
      read: (payload) => counts && payload.getUint8(op) === counterOp.ne,
      write: (payload, not) => payload.setUint8(op, not ? counterOp.ne : counterOp.eq),
    };
  };
  const skip = (option: string, mask: number) => ({
    type: falseType,
    store: counts ? unless(mask) : absent,
    print: () => `! --${option}`,
  });
  return match<SetMatch>({
    name: 'set',
    revision,
    families: revision === 0 ? ipv4 : both,
    size: size[revision],
    namesSets: true,
    fields: {
      matchSet: {
        type: setName,
        store: nameStore,
        invert: revision === 0 ? negated0 : bit(3, 1),
        required: true,
        print: (name, not, _, typed) =>
          `${not ? '! ' : ''}--match-set ${bare(name)} ${(typed.flags as SetDirection[]).join(',')}`,
      },
      flags: {
        type: directions,
        store: revision === 0 ? directionStore0 : directionStore,
        required: true,
        print: () => '',
      },
      returnNomatch: {
        ...(revision >= 2 && { options: ['return-nomatch'] }),
        type: given,
        store: counts
          ? flagBit(40, command.returnNomatch, 32)
          : revision === 2
            ? flagBit(3, 0x80)
            : absent,
      },
      updateCounters: skip('update-counters', command.skipCounter),
      updateSubcounters: skip('update-subcounters', command.skipSubcounter),
      packetsEq: { ...condition('packets', 'eq'), invert: unequal('packets') },
      packetsLt: condition('packets', 'lt'),
      packetsGt: condition('packets', 'gt'),
      bytesEq: { ...condition('bytes', 'eq'), invert: unequal('bytes') },
      bytesLt: condition('bytes', 'lt'),
      bytesGt: condition('bytes', 'gt'),
    },
    spellings: [
      {
        option: 'match-set',
        also: ['set'],
        invertible: true,
        parse(text, at, draft) {
          const words = at.more();
          if (words === undefined) throw refused(at.path, 'needs two arguments, NAME src|dst,…');
          const name = setName.parse(text, at);
          draft.matchSet = at.inverted ? { not: name } : name;
          draft.flags = directions.parse(words, at);
        },
      },
      // Without `!` these options change nothing.
      ...(counts
        ? (['update-counters', 'update-subcounters'] as const).map((option) => ({
            option,
            arity: 0 as const,
            invertible: true as const,
            parse(_: string, at: { inverted: boolean }, draft: Record<string, unknown>) {
              const field = option === 'update-counters' ? 'updateCounters' : 'updateSubcounters';
              if (at.inverted) draft[field] = false;
            },
          }))
        : []),
    ],
    check(value: SetMatch, at: Place) {
      // set_match_v0_checkentry() in xt_set.c has no room for the sixth.
      if (revision === 0 && value.flags.length === maxDimensions) {
        throw refused(at.path, 'the flags of revision 0 are five at most');
      }
      for (const [field, least] of Object.entries(needs) as [keyof typeof needs, number][]) {
        if (value[field] !== undefined && revision < least) {
          throw refused(at.path, `${field} needs revision ${least}, not ${revision}`);
        }
      }
    },
  });
}

export const set0 = set(0);
export const set1 = set(1);
export const set2 = set(2);
export const set3 = set(3);
export const set4 = set(4);
