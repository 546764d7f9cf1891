// Targets MARK and CONNMARK: set, save and restore marks (struct xt_mark_tginfo2,
// xt_connmark_tginfo1, xt_connmark_tginfo2). The new mark is (old & ~mask) ^ value.

import { badRange } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused, refusedType } from '../text/refused.js';
import type { ArgumentPlace, Codec, Draft, Known, Spelling, Store, ValueType } from './define.js';
import { both, target } from './define.js';
import { hexNumber, mark, number, readMark } from './number-values.js';
import type { Masked } from './stores.js';
import { masked, u8, u32 } from './stores.js';

/** The new mark is (old & ~mask) ^ value. */
export interface MarkTarget extends Known {
  readonly name: 'MARK';
  /** All bits, or those of a mask: `--set-xmark value/mask`. */
  readonly setXmark: Masked;
}

/** The bits that are copied from one mark to the other. */
export interface MarkMasks {
  /** Bits of the flow's mark; all unless given. */
  readonly ctmask?: number;
  /** Bits of the packet's mark; all unless given. */
  readonly nfmask?: number;
}

/** One of `setXmark`, `saveMark`, `restoreMark`. */
export interface ConnmarkTarget extends Known {
  readonly name: 'CONNMARK';
  /** The new flow mark is (old & ~mask) ^ value. */
  readonly setXmark?: Masked;
  /** Packet mark → flow mark. */
  readonly saveMark?: MarkMasks;
  /** Flow mark → packet mark. */
  readonly restoreMark?: MarkMasks;
  /** Only together with `setXmark`: a mask that the kernel keeps and does not use (`--set-mark --mask`). */
  readonly nfmask?: number;
  /** Shift the result by 1…31 bits. */
  readonly leftShiftMark?: number;
  readonly rightShiftMark?: number;
}

const all = 0xffffffff;

function bits(text: string, at: ArgumentPlace): number {
  const value = wholeNumber(text, all);
  if (value === undefined) throw badRange(at.path, 'a 32-bit number', text);
  return value;
}

const reduce = (value: number, mask: number): Masked => (mask === all ? value : { value, mask });

/** `--set-mark`, `--and-mark`, `--or-mark`, `--xor-mark`: other ways to write setXmark. */
const spellings: Spelling<{ readonly setXmark?: Masked }>[] = [
  { option: 'set-xmark', field: 'setXmark', parse: (text, at) => readMark(text, at.path) },
  {
    option: 'set-mark',
    field: 'setXmark',
    parse(text, at) {
      const given = readMark(text, at.path);
      if (typeof given === 'number') return given;
      return reduce(given.value, (given.mask | given.value) >>> 0);
    },
  },
  {
    option: 'and-mark',
    field: 'setXmark',
    parse: (text, at) => reduce(0, ~bits(text, at) >>> 0),
  },
  {
    option: 'or-mark',
    field: 'setXmark',
    parse(text, at) {
      const value = bits(text, at);
      return reduce(value, value);
    },
  },
  {
    option: 'xor-mark',
    field: 'setXmark',
    parse: (text, at) => reduce(bits(text, at), 0),
  },
];

const setXmark = mark('with mask');
const printXmark = (value: Masked, _: boolean, cx: Codec) =>
  `--set-xmark ${setXmark.print(value, cx)}`;

export const MARK = target<MarkTarget>({
  name: 'MARK',
  revision: 2,
  families: both,
  size: 8,
  fields: {
    setXmark: {
      type: setXmark,
      store: masked(u32(0), u32(4)),
      required: true,
      print: printXmark,
    },
  },
  spellings,
});

const mode = { set: 0, save: 1, restore: 2 };

const masks: ValueType<MarkMasks> = {
  arity: 0,
  check(value, at) {
    if (typeof value !== 'object' || value === null) {
      throw new TypeError(`${at.path}: expected { ctmask?, nfmask? }`);
    }
    for (const key of Object.keys(value)) {
      if (key !== 'ctmask' && key !== 'nfmask')
        throw refusedType(`${at.path}.${key}`, 'no such field');
    }
    const { ctmask = all, nfmask = all } = value as MarkMasks;
    const one = hexNumber();
    return {
      nfmask: one.check(nfmask, { ...at, path: `${at.path}.nfmask` }),
      ctmask: one.check(ctmask, { ...at, path: `${at.path}.ctmask` }),
    };
  },
  parse: () => ({}),
  print: () => '',
};

const hex = (value = all) => `0x${value.toString(16)}`;

function copyField(modeAt: number, code: number, option: string) {
  const store: Store<MarkMasks> = {
    read(payload, cx) {
      if (u8(modeAt).read(payload, cx) !== code) return undefined;
      return { nfmask: u32(8).read(payload, cx)!, ctmask: u32(4).read(payload, cx)! };
    },
    write(payload, { nfmask = all, ctmask = all }, cx) {
      u8(modeAt).write(payload, code, cx);
      u32(8).write(payload, nfmask, cx);
      u32(4).write(payload, ctmask, cx);
    },
  };
  return {
    options: [option],
    type: masks,
    store,
    print: (value: MarkMasks) =>
      `--${option} --nfmask ${hex(value.nfmask)} --ctmask ${hex(value.ctmask)}`,
  };
}

/** A shift in one direction, in revision 2. */
function shift(direction: 0 | 1, option: string) {
  return {
    options: [option],
    type: number(31),
    store: {
      read(payload, cx) {
        const same = u8(12).read(payload, cx) === direction;
        const count = u8(13).read(payload, cx)!;
        // "Left by 0" means no shift, so there is nothing to show.
        return same && (direction === 1 || count > 0) ? count : undefined;
      },
      write(payload, count, cx) {
        u8(12).write(payload, direction, cx);
        u8(13).write(payload, count, cx);
      },
    } satisfies Store<number> as Store<number>,
    print: (count: number) => (count === 0 ? '' : `--${option} ${count}`),
  };
}

const noShift = {
  type: number(31),
  store: { read: () => undefined, write: () => void 0 } satisfies Store<number>,
};

// The values of the options so far. In iptables the options write into one struct, in the order of the text. So a
// setter after a mask replaces the mask.
interface Scratch {
  value: number;
  ctmask: number;
  nfmask: number;
}

function scratch(draft: Draft<ConnmarkTarget>): Scratch {
  draft.scratch ??= { value: 0, ctmask: all, nfmask: all };
  return draft.scratch as Scratch;
}

const maskSpellings: Spelling<ConnmarkTarget>[] = (['mask', 'ctmask', 'nfmask'] as const).map(
  (option) => ({
    option,
    excludes: option === 'mask' ? ['ctmask', 'nfmask'] : [],
    parse(text, at, draft) {
      const said = scratch(draft);
      if (option !== 'nfmask') said.ctmask = bits(text, at);
      if (option !== 'ctmask') said.nfmask = bits(text, at);
    },
  }),
);

const setSpellings = spellings.map(
  (spelling): Spelling<ConnmarkTarget> => ({
    ...spelling,
    parse(text, at, draft) {
      const given = spelling.parse(text, at, draft) as Masked;
      const said = scratch(draft);
      said.value = typeof given === 'number' ? given : given.value;
      said.ctmask = typeof given === 'number' ? all : given.mask;
      return given;
    },
  }),
);

function finish(draft: Draft<ConnmarkTarget>): void {
  const { value, ctmask, nfmask } = scratch(draft);
  delete draft.scratch;
  if (draft.saveMark !== undefined) draft.saveMark = { nfmask, ctmask };
  else if (draft.restoreMark !== undefined) draft.restoreMark = { nfmask, ctmask };
  else if (draft.setXmark !== undefined) {
    draft.setXmark = reduce(value, ctmask);
    if (nfmask !== all) draft.nfmask = nfmask;
  }
}

function CONNMARK(revision: 1 | 2) {
  const modeAt = revision === 2 ? 14 : 12;
  const value = masked(u32(0), u32(4));
  return target<ConnmarkTarget>({
    name: 'CONNMARK',
    revision,
    families: both,
    size: 16,
    // The kernel ignores nfmask if it sets a value. A shift by 0 is no shift.
    meaning({ nfmask, leftShiftMark, rightShiftMark, ...rest }) {
      return {
        ...rest,
        ...(nfmask !== undefined && rest.setXmark === undefined && { nfmask }),
        ...(leftShiftMark && { leftShiftMark }),
        ...(rightShiftMark && { rightShiftMark }),
      };
    },
    fields: {
      setXmark: {
        type: setXmark,
        print: printXmark,
        store: {
          read: (payload, cx) =>
            u8(modeAt).read(payload, cx) === mode.set ? value.read(payload, cx) : undefined,
          write(payload, given, cx) {
            u8(modeAt).write(payload, mode.set, cx);
            value.write(payload, given, cx);
            u32(8).write(payload, all, cx);
          },
        },
      },
      nfmask: {
        type: hexNumber(),
        store: {
          read(payload, cx) {
            const isSet = u8(modeAt).read(payload, cx) === mode.set;
            const nfmask = u32(8).read(payload, cx)!;
            return isSet && nfmask !== all ? nfmask : undefined;
          },
          write: (payload, nfmask, cx) => u32(8).write(payload, nfmask, cx),
        },
        requires: ['setXmark'],
      },
      saveMark: copyField(modeAt, mode.save, 'save-mark'),
      restoreMark: copyField(modeAt, mode.restore, 'restore-mark'),
      leftShiftMark: revision === 2 ? shift(0, 'left-shift-mark') : noShift,
      rightShiftMark: revision === 2 ? shift(1, 'right-shift-mark') : noShift,
    },
    spellings: [...setSpellings, ...maskSpellings],
    finish,
    check(given, at) {
      const ways = [given.setXmark, given.saveMark, given.restoreMark];
      const count = ways.filter((each) => each !== undefined).length;
      if (count !== 1) throw refused(at.path, 'needs one of setXmark, saveMark, restoreMark');
      if (given.leftShiftMark !== undefined && given.rightShiftMark !== undefined) {
        throw refused(at.path, 'shifts one way only');
      }
      if (revision === 1 && (given.leftShiftMark ?? given.rightShiftMark) !== undefined) {
        throw refused(at.path, 'revision 1 cannot shift');
      }
    },
  });
}

export const CONNMARK1 = CONNMARK(1);
export const CONNMARK2 = CONNMARK(2);
