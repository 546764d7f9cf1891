// Match bpf: a program of the classic Berkeley packet filter, or a pinned eBPF program (struct xt_bpf_info,
// xt_bpf_info_v1).

import { badRange, badType } from '../../errors.js';
import { refused } from '../text/refused.js';
import { bareWord } from './bare-word.js';
import type { ArgumentPlace, Known, Place, Store, ValueType } from './define.js';
import { both, match } from './define.js';
import { integer } from './number-values.js';
import { onlyFields } from './only-fields.js';
import { fixedString, i32, littleEndian, mapped, u16 } from './stores.js';

/** One instruction of classic BPF (struct sock_filter). */
export interface BpfInstruction {
  /** 16 bits. */
  readonly code: number;
  /** How far to jump if a condition holds, 0…255. */
  readonly jt: number;
  /** How far to jump if it does not hold, 0…255. */
  readonly jf: number;
  /** 32 bits. */
  readonly k: number;
}

/** One of `bytecode` and `objectPinned`. */
export interface BpfMatch extends Known {
  readonly name: 'bpf';
  /** 1…64 instructions. They see the packet from its IP header on. The kernel verifies them. */
  readonly bytecode?: readonly BpfInstruction[];
  /** The path of a program of type socket filter in a mounted BPF file system. Revision 1. */
  readonly objectPinned?: string;
  /**
   * Together with `objectPinned`: the descriptor that iptables had open for the path. Linux 4.15 and later use only
   * the path, and keep this number. Earlier kernels use only this number.
   */
  readonly objectFd?: number;
}

/** XT_BPF_MAX_NUM_INSTR, of 8 bytes each. */
const slots = 64;

function sized(list: readonly BpfInstruction[], path: string): readonly BpfInstruction[] {
  if (list.length > 0 && list.length <= slots) return list;
  throw refused(path, `${list.length} instructions, not 1…${slots}`);
}

const parts = ['code', 'jt', 'jf', 'k'] as const;
const limits = { code: 0xffff, jt: 0xff, jf: 0xff, k: 0xffffffff };

function instruction(given: unknown, at: Place): BpfInstruction {
  if (typeof given !== 'object' || given === null) {
    throw badType(at.path, '{ code, jt, jf, k }', given);
  }
  onlyFields(given, at.path, parts);
  const part = (name: (typeof parts)[number]) =>
    integer(
      (given as Record<string, unknown>)[name],
      { ...at, path: `${at.path}.${name}` },
      0,
      limits[name],
    );
  return { code: part('code'), jt: part('jt'), jf: part('jf'), k: part('k') };
}

function readInstruction(text: string, at: ArgumentPlace): BpfInstruction {
  const found = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$/.exec(text);
  const numbers = found?.slice(1).map(Number) ?? [];
  if (found === null || parts.some((name, index) => numbers[index]! > limits[name])) {
    throw badRange(at.path, 'instructions of four numbers: code, jt, jf, k', text);
  }
  const [code = 0, jt = 0, jf = 0, k = 0] = numbers;
  return { code, jt, jf, k };
}

const program: ValueType<readonly BpfInstruction[]> = {
  arity: 1,
  check(value, at) {
    if (!Array.isArray(value)) throw badType(at.path, 'an array of instructions', value);
    sized(value, at.path);
    return value.map((each: unknown, index) =>
      instruction(each, { ...at, path: `${at.path}[${index}]` }),
    );
  },
  parse(text, at) {
    const [count = '', ...rest] = text.split(',');
    if (!/^\s*\d+$/.test(count)) {
      throw badRange(at.path, 'a number of instructions, a comma, and the instructions', text);
    }
    if (rest.at(-1) === '') rest.pop();
    const list = sized(
      rest.map((each) => readInstruction(each, at)),
      at.path,
    );
    if (list.length !== Number(count)) {
      throw refused(at.path, `${list.length} instructions, but it says ${count.trim()}`);
    }
    return list;
  },
  print: (list) =>
    `"${list.length},${list.map(({ code, jt, jf, k }) => `${code} ${jt} ${jf} ${k}`).join()}"`,
};

function programStore(count: Store<number>, at: number): Store<readonly BpfInstruction[]> {
  return {
    read(payload, cx) {
      const length = count.read(payload, cx)!;
      if (length === 0 || length > slots) return undefined;
      return Array.from({ length }, (_, slot) => {
        const here = at + 8 * slot;
        return {
          code: payload.getUint16(here, littleEndian),
          jt: payload.getUint8(here + 2),
          jf: payload.getUint8(here + 3),
          k: payload.getUint32(here + 4, littleEndian),
        };
      });
    },
    write(payload, list, cx) {
      count.write(payload, list.length, cx);
      for (const [slot, { code, jt, jf, k }] of list.entries()) {
        const here = at + 8 * slot;
        payload.setUint16(here, code, littleEndian);
        payload.setUint8(here + 2, jt);
        payload.setUint8(here + 3, jf);
        payload.setUint32(here + 4, k, littleEndian);
      }
    },
  };
}

/** A store that exists only if the payload has this kind of program. */
function when<T>(mode: number, store: Store<T>): Store<T> {
  return {
    ...store,
    read: (payload, cx) =>
      u16(0).read(payload, cx) === mode ? store.read(payload, cx) : undefined,
    write(payload, value, cx) {
      u16(0).write(payload, mode, cx);
      store.write(payload, value, cx);
    },
  };
}

const path = bareWord(511);
const descriptor: ValueType<number> = {
  arity: 1,
  check: (value, at) => integer(value, at, -1, 0x7fffffff),
  parse: (text, at) => integer(Number(text), at, -1, 0x7fffffff),
  print: String,
};
const never = { store: { read: () => undefined, write: () => void 0 } };

/** XT_BPF_MODE_BYTECODE, XT_BPF_MODE_PATH_PINNED. */
const modes = { bytecode: 0, pinned: 1 };

function check(value: BpfMatch, at: Place): void {
  if (value.bytecode === undefined && value.objectPinned === undefined) {
    throw refused(at.path, 'needs bytecode (--bytecode) or objectPinned (--object-pinned)');
  }
}

export const bpf1 = match<BpfMatch>({
  name: 'bpf',
  revision: 1,
  families: both,
  size: 528,
  userSize: 520,
  // Together with a path the descriptor is not used.
  meaning({ objectFd, ...rest }) {
    const used = objectFd !== undefined && rest.objectPinned === undefined;
    return used ? { ...rest, objectFd } : rest;
  },
  fields: {
    bytecode: {
      options: ['bytecode'],
      type: program,
      store: when(modes.bytecode, programStore(u16(2), 8)),
      excludes: ['objectPinned'],
    },
    objectPinned: {
      options: ['object-pinned'],
      type: path,
      // No text can express an empty path.
      store: when(
        modes.pinned,
        mapped(
          fixedString(8, 512),
          (text) => text || undefined,
          (text: string) => text,
        ),
      ),
      excludes: ['bytecode'],
    },
    objectFd: {
      type: descriptor,
      store: mapped(
        when(modes.pinned, i32(4)),
        (fd) => (fd === 0 ? undefined : fd),
        (fd: number) => fd,
      ),
      requires: ['objectPinned'],
    },
  },
  check,
});

export const bpf0 = match<BpfMatch>({
  name: 'bpf',
  revision: 0,
  families: both,
  size: 528,
  userSize: 520,
  fields: {
    bytecode: { options: ['bytecode'], type: program, store: programStore(u16(0), 4) },
    objectPinned: { type: path, ...never },
    objectFd: { type: descriptor, ...never },
  },
  check(value, at) {
    if (value.objectPinned !== undefined || value.objectFd !== undefined) {
      throw refused(at.path, 'revision 0 has bytecode only');
    }
    check(value, at);
  },
});
