// Match ipv6header: which extension headers a packet has (struct ip6t_ipv6header_info).
import { badRange } from '../../errors.js';
import type { ArgumentPlace, Known, Not, ValueType } from './define.js';
import { ipv6, match } from './define.js';
import { given } from './number-values.js';
import { bit, bitNames, flagBit, mapped, u8 } from './stores.js';
import { namesOf } from './text-values.js';

export type Ipv6Header = keyof typeof bits;

export interface Ipv6headerMatch extends Known {
  readonly name: 'ipv6header';
  /** Exactly these headers, or with `soft` at least these. `protocol`: the header at the end of the chain. */
  readonly header: Not<readonly Ipv6Header[]>;
  /** Further headers may be there. */
  readonly soft?: true;
}

const bits = {
  'hop-by-hop': 128,
  'ipv6-opts': 64,
  'ipv6-route': 32,
  'ipv6-frag': 16,
  ah: 8,
  esp: 4,
  'ipv6-nonxt': 2,
  protocol: 1,
} as const;
const names = Object.keys(bits) as Ipv6Header[];
const short: Readonly<Record<string, Ipv6Header>> = {
  hop: 'hop-by-hop',
  dst: 'ipv6-opts',
  route: 'ipv6-route',
  frag: 'ipv6-frag',
  auth: 'ah',
  esp: 'esp',
  none: 'ipv6-nonxt',
  prot: 'protocol',
};
const numbers: Readonly<Record<string, Ipv6Header>> = {
  0: 'hop-by-hop',
  60: 'ipv6-opts',
  43: 'ipv6-route',
  44: 'ipv6-frag',
  51: 'ah',
  50: 'esp',
  59: 'ipv6-nonxt',
  255: 'protocol',
};

function find<T>(table: Readonly<Record<string, T>>, key: string | number | undefined) {
  return key !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
}

/** The names and numbers of this match, else a protocol of the host with one of these numbers. */
function headerOf(text: string, at: ArgumentPlace): Ipv6Header | undefined {
  const own = names.find((name) => name === text) ?? find(short, text) ?? find(numbers, text);
  // Only -p knows `all` as a protocol.
  return own ?? (text === 'all' ? undefined : find(numbers, at.names.protocolNumber(text)));
}

const list = namesOf(names);
const type: ValueType<readonly Ipv6Header[]> = {
  ...list,
  parse(text, at) {
    const parts = text.split(',').filter((part) => part !== '');
    const chosen = parts.map((part) => headerOf(part, at));
    if (chosen.length === 0 || chosen.includes(undefined)) {
      throw badRange(at.path, `some of ${names.join(', ')}, with commas between`, text);
    }
    return list.check(chosen, at);
  },
};

export const ipv6header = match<Ipv6headerMatch>({
  name: 'ipv6header',
  revision: 0,
  families: ipv6,
  size: 8,
  fields: {
    header: {
      options: ['header'],
      required: true,
      type,
      // No text can express an empty list.
      store: mapped(
        bitNames(u8(0), bits),
        (chosen) => (chosen.length > 0 ? chosen : undefined),
        (chosen: readonly Ipv6Header[]) => chosen,
      ),
      invert: bit(1, 0xff),
    },
    soft: { options: ['soft'], type: given, store: flagBit(2, 0xff) },
  },
});
