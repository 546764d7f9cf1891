// The range of addresses and ports that the NAT targets share, in its three layouts (struct
// nf_nat_ipv4_multi_range_compat, nf_nat_range, nf_nat_range2). Not an extension.

import { badRange, badType } from '../../errors.js';
import { leadingNumber, wholeNumber } from '../text/addresses.js';
import { refused, refusedType } from '../text/refused.js';
import { addressRangeStore } from './address-range.js';
import { address, addressRange } from './address-values.js';
import type { ArgumentPlace, Place, Store, ValueType } from './define.js';
import { unknownProtocol } from './define.js';
import { integer, ordered, printRange, rangeOf } from './number-values.js';
import type { Range } from './stores.js';
import { address4, be16, bit, flagBit, inetAddress, pair, u32 } from './stores.js';

/** The new values of NAT: an address, a port, or both. */
export interface NatRange {
  /** One address, or a range from the first to the last one. */
  readonly address?: string | Range<string>;
  /** One port, or a range from the first to the last one. The rule must name a protocol with ports. */
  readonly port?: number | Range;
  /** DNAT: the original port that becomes the first port of the range (`--to a:2000-3000/1000`). */
  readonly base?: number;
}

/** NF_NAT_RANGE_*. */
export const natFlag = {
  addresses: 1,
  ports: 2,
  random: 4,
  persistent: 8,
  randomFully: 16,
  offset: 32,
  netmap: 64,
} as const;

export interface NatLayout {
  /** Bytes of the payload. */
  readonly size: number;
  readonly flags: number;
  /** First and last address: `0` IPv4 in 4 bytes, else the union of 16. */
  readonly wide: boolean;
  readonly low: number;
  readonly high: number;
  readonly lowPort: number;
  readonly highPort: number;
  readonly base?: number;
}

/** struct nf_nat_ipv4_multi_range_compat with one range. The count of ranges comes first. */
export const multiRange: NatLayout = {
  size: 24,
  flags: 4,
  wide: false,
  low: 8,
  high: 12,
  lowPort: 16,
  highPort: 18,
};
/** struct nf_nat_range. */
export const natRange1: NatLayout = {
  size: 40,
  flags: 0,
  wide: true,
  low: 4,
  high: 20,
  lowPort: 36,
  highPort: 38,
};
/** struct nf_nat_range2. */
export const natRange2: NatLayout = { ...natRange1, size: 48, base: 40 };

/** The number of ranges in the old IPv4 layout. */
export function rangeCount(layout: NatLayout) {
  return (payload: DataView, cx: Parameters<Store<number>['write']>[2]) => {
    if (!layout.wide) u32(0).write(payload, 1, cx);
  };
}

/** An option without an argument: one flag of the range. */
export const natOption = (layout: NatLayout, mask: number) => flagBit(layout.flags, mask, 32);

export function addressesStore(layout: NatLayout): Store<string | Range<string>> {
  const make = layout.wide ? inetAddress : address4;
  return addressRangeStore(make(layout.low), make(layout.high));
}

/** Only the ports, as MASQUERADE and REDIRECT have them. */
export function portsStore(layout: NatLayout): Store<number | Range> {
  const flag = bit(layout.flags, natFlag.ports, 32);
  const ports = pair(be16(layout.lowPort), be16(layout.highPort));
  return {
    read: (payload, cx) => (flag.read(payload, cx) ? ports.read(payload, cx) : undefined),
    write(payload, value, cx) {
      flag.write(payload, true, cx);
      ports.write(payload, value, cx);
    },
  };
}

export function natStore(layout: NatLayout): Store<NatRange> {
  const hasAddresses = bit(layout.flags, natFlag.addresses, 32);
  const hasOffset = bit(layout.flags, natFlag.offset, 32);
  const addresses = addressesStore(layout);
  const ports = portsStore(layout);
  return {
    read(payload, cx) {
      const range: { -readonly [K in keyof NatRange]: NatRange[K] } = {};
      if (hasAddresses.read(payload, cx)) range.address = addresses.read(payload, cx)!;
      const port = ports.read(payload, cx);
      if (port !== undefined) range.port = port;
      if (hasOffset.read(payload, cx)) {
        range.base = layout.base === undefined ? 0 : be16(layout.base).read(payload, cx)!;
      }
      return range;
    },
    write(payload, range, cx) {
      if (range.address !== undefined) {
        hasAddresses.write(payload, true, cx);
        addresses.write(payload, range.address, cx);
      }
      if (range.port !== undefined) ports.write(payload, range.port, cx);
      if (range.base !== undefined) {
        hasOffset.write(payload, true, cx);
        if (layout.base !== undefined) be16(layout.base).write(payload, range.base, cx);
      }
    },
  };
}

// TCP, UDP, SCTP, DCCP; in IPv4 iptables also takes ICMP (its id counts as the port).
export function needPorts(at: Place): void {
  const allowed = at.family === 'ipv4' ? [6, 17, 132, 33, 1] : [6, 17, 132, 33];
  if (at.protocol !== unknownProtocol && !allowed.includes(at.protocol)) {
    throw refused(at.path, 'ports need a rule with -p tcp, udp, sctp or dccp (before the option)');
  }
}

/** `80`, `80-90`, a service; with `base` also `80-90/1000`. */
export function parsePorts(
  text: string,
  at: ArgumentPlace,
  withBase: boolean,
): { port: number | Range; base?: number } {
  needPorts(at);
  const bad = () => badRange(at.path, 'a port, a service or two ports with - between', text);
  const first = leadingNumber(text);
  if (first === undefined) {
    // Names of services may have a dash, so there is no range of names.
    const service = at.names.servicePort(text);
    if (service === undefined) throw bad();
    return { port: service };
  }
  const [range = '', baseText, more] = text.split('/');
  const cut = range.indexOf('-');
  const low = wholeNumber(cut < 0 ? range : range.slice(0, cut), 65535);
  const high = cut < 0 ? low : wholeNumber(range.slice(cut + 1), 65535);
  if (low === undefined || high === undefined || more !== undefined) throw bad();
  if (low > high) throw refused(at.path, `the range of ports ${range} is reversed`);
  const port = low === high ? low : { from: low, to: high };
  if (baseText === undefined) return { port };
  if (!withBase || cut < 0) throw refused(at.path, 'there is no base port here');
  const base = wholeNumber(baseText, 65535) ?? at.names.servicePort(baseText);
  if (base === undefined || base === 0) throw badRange(at.path, 'a base port in 1…65535', baseText);
  return { port, base };
}

function checkPorts(value: unknown, at: Place): number | Range {
  if (typeof value === 'number') return integer(value, at, 0, 65535);
  const ends = rangeOf(value, at, 'a port');
  const low = integer(ends.from, { ...at, path: `${at.path}.from` }, 0, 65535);
  const high = integer(ends.to, { ...at, path: `${at.path}.to` }, 0, 65535);
  return ordered(low, high, at);
}

/** Only ports. */
export const natPorts: ValueType<number | Range> = {
  arity: 1,
  check(value, at) {
    needPorts(at);
    return checkPorts(value, at);
  },
  parse: (text, at) => parsePorts(text, at, false).port,
  print: (value) => printRange(value, '-'),
};

/** `[address[-address]][:ports]`, IPv6 in brackets if ports follow. */
export function natRange(withBase: boolean): ValueType<NatRange> {
  return {
    arity: 1,
    check(value, at) {
      if (typeof value !== 'object' || value === null) {
        throw badType(at.path, '{ address?, port? }', value);
      }
      const given = value as NatRange;
      for (const key of Object.keys(given)) {
        if (!['address', 'port', 'base'].includes(key)) {
          throw refusedType(`${at.path}.${key}`, 'no such field; its fields: address, port, base');
        }
      }
      const range: { -readonly [K in keyof NatRange]: NatRange[K] } = {};
      const place = (key: string) => ({ ...at, path: `${at.path}.${key}` });
      if (given.address !== undefined) {
        range.address = addressRange.check(given.address, place('address'));
      }
      if (given.port !== undefined) {
        needPorts(at);
        range.port = checkPorts(given.port, place('port'));
      }
      if (range.address === undefined && range.port === undefined) {
        throw refused(at.path, 'needs an address or a port');
      }
      if (given.base !== undefined) {
        if (!withBase) throw refused(`${at.path}.base`, 'only DNAT revision 2 has a base port');
        if (range.port === undefined) throw refused(`${at.path}.base`, 'needs a range of ports');
        range.base = integer(given.base, place('base'), 1, 65535);
      }
      return range;
    },
    parse(text, at) {
      const match =
        at.family === 'ipv4'
          ? /^([^:]*)(?::(.*))?$/.exec(text)
          : /^(?:\[([^\]]*)\](?::(.*))?|(?!:[^:]*$)([^[\]]*)|:([^:]*))$/.exec(text);
      if (match === null) throw badRange(at.path, 'an address, :ports or address:ports', text);
      const addressText = match[1] ?? match[3] ?? '';
      const portText = match[2] ?? match[4];
      const range: { -readonly [K in keyof NatRange]: NatRange[K] } = {};
      if (addressText !== '') range.address = parseAddresses(addressText, at);
      else if (portText === undefined) throw badRange(at.path, 'an address or ports', text);
      return portText === undefined ? range : { ...range, ...parsePorts(portText, at, withBase) };
    },
    print(value, cx) {
      let text = '';
      if (value.address !== undefined) text = addressRange.print(value.address, cx);
      if (value.port === undefined) return text;
      if (cx.family === 'ipv6' && text !== '') text = `[${text}]`;
      const ports = natPorts.print(value.port, cx);
      if (value.base === undefined) return `${text}:${ports}`;
      // iptables requires a range before the base, but prints one port if both ends are equal.
      const range = typeof value.port === 'number' ? `${ports}-${ports}` : ports;
      return `${text}:${range}/${value.base}`;
    },
  };
}

function parseAddresses(text: string, at: ArgumentPlace): string | Range<string> {
  const cut = text.indexOf('-');
  const low = address.check(cut < 0 ? text : text.slice(0, cut), at);
  if (cut < 0) return low;
  const high = address.check(text.slice(cut + 1), at);
  return low === high ? low : { from: low, to: high };
}
