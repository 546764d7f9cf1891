// Match policy: how IPsec treats the packet (struct xt_policy_info).

import { badRange, badType } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused, refusedType } from '../text/refused.js';
import type {
  ArgumentPlace,
  Codec,
  Known,
  Not,
  Place,
  Spelling,
  Store,
  ValueType,
} from './define.js';
import { both, isNot, match } from './define.js';
import type { Network } from './networks.js';
import { hasOddMask, hostsBare, networkField, networkType } from './networks.js';
import { given, hexNumber, number } from './number-values.js';
import { bit, coded, flagBit, littleEndian, u8, u16, u32 } from './stores.js';
import { oneOf } from './text-values.js';

export interface PolicyMatch extends Known {
  readonly name: 'policy';
  /** `in`: the policy that was applied on the way in; `out`: the one for the way out. */
  readonly dir: 'in' | 'out';
  /** `ipsec` unless given; `none`: no policy at all. */
  readonly pol?: 'ipsec' | 'none';
  /**
   * All elements must fit, in order. Without it only one element may be given, and any element of the policy may fit
   * it.
   */
  readonly strict?: true;
  /** At most 4; more than one needs `strict`. */
  readonly elements?: readonly PolicyElement[];
}

/** One transformation of a policy. All given fields must hold. */
export interface PolicyElement {
  readonly reqid?: Not<number>;
  /**
   * As in iptables: the number in host byte order. The kernel compares in network order, so on little-endian machines
   * 0x5 fits the SPI 0x05000000.
   */
  readonly spi?: Not<number>;
  readonly proto?: Not<'ah' | 'esp' | 'ipcomp'>;
  readonly mode?: Not<'transport' | 'tunnel'>;
  /** The far end of a tunnel; needs `mode: 'tunnel'`. */
  readonly tunnelDst?: Not<Network>;
  /** The near end of a tunnel; needs `mode: 'tunnel'`. */
  readonly tunnelSrc?: Not<Network>;
}

/** XT_POLICY_MAX_ELEM. */
const maxElements = 4;
const elementSize = 76;
const flagsAt = maxElements * elementSize;
/** XT_POLICY_MATCH_*. */
const flag = { in: 1, out: 2, none: 4, strict: 8 } as const;

interface Part<T> {
  readonly option: string;
  readonly type: ValueType<T>;
  /** The store in the element that begins at `start`. */
  store(start: number): Store<T>;
  /** The place in the bit field of struct xt_policy_spec. */
  readonly position: number;
}

const protocols = { ah: 51, esp: 50, ipcomp: 108 } as const;
const protocolName = oneOf(['ah', 'esp', 'ipcomp']);

// The order is that of printing.
const parts = {
  reqid: {
    option: 'reqid',
    type: number(0xffffffff),
    store: (start) => u32(start + 68),
    position: 5,
  } satisfies Part<number>,
  spi: {
    option: 'spi',
    type: hexNumber(),
    // iptables writes the kernel's __be32 in host order.
    store: (start) => u32(start + 64),
    position: 4,
  } satisfies Part<number>,
  proto: {
    option: 'proto',
    type: {
      ...protocolName,
      parse(text, at) {
        const code = wholeNumber(text, 255) ?? at.names.protocolNumber(text);
        const name = (['ah', 'esp', 'ipcomp'] as const).find((each) => protocols[each] === code);
        if (name === undefined) throw badRange(at.path, 'ah, esp or ipcomp', text);
        return name;
      },
    },
    store: (start) => coded(u8(start + 72), protocols),
    position: 2,
  } satisfies Part<'ah' | 'esp' | 'ipcomp'>,
  mode: {
    option: 'mode',
    type: oneOf(['transport', 'tunnel']),
    store: (start) => coded(u8(start + 73), { transport: 0, tunnel: 1 }),
    position: 3,
  } satisfies Part<'transport' | 'tunnel'>,
  tunnelDst: {
    option: 'tunnel-dst',
    type: networkType,
    store: (start) => networkField(start + 32, start + 48),
    position: 1,
  } satisfies Part<Network>,
  tunnelSrc: {
    option: 'tunnel-src',
    type: networkType,
    store: (start) => networkField(start, start + 16),
    position: 0,
  } satisfies Part<Network>,
};
type Key = keyof PolicyElement;
const keys = Object.keys(parts) as Key[];
const part = (key: Key) => parts[key] as Part<unknown>;

/** C bit fields begin at the lowest bit of a little-endian byte, at the highest of a big-endian one. */
const specBit = (at: number, position: number) =>
  bit(at, littleEndian ? 1 << position : 0x80 >> position);

function checkElement(value: unknown, at: Place): PolicyElement {
  if (typeof value !== 'object' || value === null) throw badType(at.path, 'an object', value);
  const given = value as Record<string, unknown>;
  const element: Record<string, unknown> = {};
  for (const key of Object.keys(given)) {
    if (!keys.includes(key as Key)) {
      throw refusedType(`${at.path}.${key}`, `no such field; its fields: ${keys.join(', ')}`);
    }
  }
  for (const key of keys) {
    const each = given[key];
    if (each === undefined) continue;
    const not = isNot(each);
    const path = `${at.path}.${key}${not ? '.not' : ''}`;
    const checked = part(key).type.check(not ? each.not : each, { ...at, path });
    element[key] = not ? { not: checked } : checked;
  }
  const { mode, tunnelSrc, tunnelDst } = element as PolicyElement;
  const tunnel = isNot(mode) ? mode.not === 'transport' : mode === 'tunnel';
  if ((tunnelSrc ?? tunnelDst) !== undefined && !tunnel) {
    throw refused(at.path, 'the ends of a tunnel need mode tunnel');
  }
  return element as PolicyElement;
}

const elementsType: ValueType<readonly PolicyElement[]> = {
  arity: 1,
  check(value, at) {
    if (!Array.isArray(value)) throw badType(at.path, 'an array of elements', value);
    if (value.length === 0 || value.length > maxElements) {
      throw badRange(at.path, `one to ${maxElements} elements`, value);
    }
    return value.map((each, index) => checkElement(each, { ...at, path: `${at.path}[${index}]` }));
  },
  parse: (text, at) => elementsType.check(text, at),
  print: () => '',
};

/** How many elements there are. Without any condition iptables writes an empty one. */
const count = u16(flagsAt + 2);
const none = bit(flagsAt, flag.none, 16);

const elementsStore: Store<readonly PolicyElement[]> = {
  read(payload, cx) {
    const length = count.read(payload, cx)!;
    if (length > maxElements) return undefined;
    const list = Array.from({ length }, (_, index) => readElement(payload, index, cx));
    if (list.length === 0 || (list.length === 1 && Object.keys(list[0]!).length === 0)) {
      return undefined;
    }
    return list;
  },
  write(payload, list, cx) {
    count.write(payload, list.length, cx);
    for (const [index, element] of list.entries()) writeElement(payload, index, element, cx);
  },
};

function readElement(payload: DataView, index: number, cx: Codec): PolicyElement {
  const start = index * elementSize;
  const element: Record<string, unknown> = {};
  for (const key of keys) {
    const { store, position } = part(key);
    if (!specBit(start + 74, position).read(payload, cx)) continue;
    const value = store(start).read(payload, cx);
    if (value === undefined) continue;
    element[key] = specBit(start + 75, position).read(payload, cx) ? { not: value } : value;
  }
  return element as PolicyElement;
}

function writeElement(payload: DataView, index: number, element: PolicyElement, cx: Codec): void {
  const start = index * elementSize;
  for (const key of keys) {
    const value = element[key];
    if (value === undefined) continue;
    const { store, position } = part(key);
    store(start).write(payload, isNot(value) ? value.not : value, cx);
    specBit(start + 74, position).write(payload, true, cx);
    if (isNot(value)) specBit(start + 75, position).write(payload, true, cx);
  }
}

/** The elements while options are read. */
type Building = Record<string, unknown>[];

function readPart(key: Key) {
  return {
    option: part(key).option,
    arity: 1 as const,
    invertible: true as const,
    repeat: true as const,
    parse(text: string, at: ArgumentPlace, draft: Record<string, unknown>) {
      draft.elements ??= [{}];
      const element = (draft.elements as Building).at(-1)!;
      if (element[key] !== undefined) throw refused(at.path, 'twice in one element');
      const value = part(key).type.parse(text, at);
      element[key] = at.inverted ? { not: value } : value;
    },
  } satisfies Spelling<PolicyMatch>;
}

export const policy = match<PolicyMatch>({
  name: 'policy',
  revision: 0,
  families: both,
  size: 312,
  unsaid: hasOddMask,
  meaning: hostsBare,
  fields: {
    dir: {
      options: ['dir'],
      type: oneOf(['in', 'out']),
      store: {
        read(payload, cx) {
          const bits = u16(flagsAt).read(payload, cx)! & (flag.in | flag.out);
          return bits === flag.in ? 'in' : bits === flag.out ? 'out' : undefined;
        },
        write: (payload, dir, cx) => bit(flagsAt, flag[dir], 16).write(payload, true, cx),
      },
      required: true,
    },
    pol: {
      options: ['pol'],
      type: oneOf(['ipsec', 'none']),
      store: {
        read: (payload, cx) => (none.read(payload, cx) ? 'none' : 'ipsec'),
        write(payload, pol, cx) {
          none.write(payload, pol === 'none', cx);
          count.write(payload, pol === 'none' ? 0 : 1, cx);
        },
      },
      default: 'ipsec',
      shown: true,
      print: (pol) => `--pol ${pol}`,
    },
    strict: {
      options: ['strict'],
      type: given,
      store: flagBit(flagsAt, flag.strict, 16),
    },
    elements: {
      type: elementsType,
      store: elementsStore,
      print: (list, _, cx) =>
        list
          .map((element) =>
            keys
              .filter((key) => element[key] !== undefined)
              .map((key) => {
                const value = element[key];
                const { option, type } = part(key);
                const plain = type.print(isNot(value) ? value.not : value, cx);
                return `${isNot(value) ? '! ' : ''}--${option} ${plain}`;
              })
              .join(' '),
          )
          .join(' --next '),
    },
  },
  spellings: [
    ...keys.map(readPart),
    {
      option: 'next',
      arity: 0,
      repeat: true,
      parse(_, at, draft) {
        draft.elements ??= [{}];
        const list = draft.elements as unknown as Building;
        if (list.length === maxElements)
          throw refused(at.path, `more than ${maxElements} elements`);
        list.push({});
      },
    },
  ],
  check(value, at) {
    const list = value.elements ?? [];
    if (value.pol === 'none') {
      if (value.strict) throw refused(at.path, 'strict cannot be used together with pol none');
      if (list.length > 0) throw refused(at.path, 'elements cannot be used together with pol none');
      return;
    }
    if (list.length > 1 && !value.strict) {
      throw refused(at.path, 'more than one element needs strict');
    }
    const empty = list.findIndex((element) => Object.keys(element).length === 0);
    if (value.strict && (list.length === 0 || empty >= 0)) {
      throw refused(at.path, `strict, but element ${Math.max(empty, 0)} says nothing`);
    }
    if (empty >= 0) throw refused(at.path, 'an element says nothing');
  },
});
