// Match multiport: up to 15 ports. A range counts as two (struct xt_multiport, xt_multiport_v1).

import { badRange, badType } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { ArgumentPlace, Known, Not, Place, Store, ValueType } from './define.js';
import { both, match } from './define.js';
import { integer, printRange, rangeOf, readPort } from './number-values.js';
import type { Range } from './stores.js';
import { bit, u8, u16 } from './stores.js';

type PortList = readonly (number | Range)[];

/** One of `sports`, `dports` and `ports`. The rule must name a protocol with ports. */
export interface MultiportMatch extends Known {
  readonly name: 'multiport';
  /** Source ports and ranges; a range counts as two of the 15. */
  readonly sports?: Not<PortList>;
  /** Destination ports. */
  readonly dports?: Not<PortList>;
  /** Source or destination port. */
  readonly ports?: Not<PortList>;
}

const slots = 15;
/** TCP, UDP, UDPLITE, SCTP, DCCP: the kernel's check in xt_multiport.c. */
const protocols = [6, 17, 136, 132, 33];

function enough(list: PortList, at: Place, ranges: boolean): PortList {
  const used = list.reduce<number>((sum, each) => sum + (typeof each === 'number' ? 1 : 2), 0);
  if (list.length === 0) throw badRange(at.path, 'at least one port', list);
  if (used > slots) throw refused(at.path, `${used} of ${slots} ports (a range counts as two)`);
  if (!ranges && used !== list.length) throw refused(at.path, 'revision 0 has no ranges');
  return list;
}

function portList(ranges: boolean): ValueType<PortList> {
  return {
    arity: 1,
    check(value, at) {
      if (!Array.isArray(value)) throw badType(at.path, 'an array of ports', value);
      const list = value.map((each: unknown, index) => {
        const place = { ...at, path: `${at.path}[${index}]` };
        if (typeof each === 'number') return integer(each, place, 0, 65535);
        const ends = rangeOf(each, place, 'a port');
        const from = integer(ends.from, { ...place, path: `${place.path}.from` }, 0, 65535);
        const to = integer(ends.to, { ...place, path: `${place.path}.to` }, 0, 65535);
        if (from >= to) throw refused(place.path, 'the range is not from lower to higher');
        return { from, to };
      });
      return enough(list, at, ranges);
    },
    parse(text, at) {
      // iptables looks only at a -p before this option.
      if (at.protocolInverted || !protocols.includes(at.protocol)) {
        throw refused(at.path, 'needs -p tcp, udp, udplite, sctp or dccp before it');
      }
      const list = text.split(',').map((part) => {
        const ends = part.split(':').map((end) => onePort(end, text, at));
        const [from = 0, to] = ends;
        if (ends.length > 2) throw badRange(at.path, 'ports and ranges', part);
        if (to === undefined) return from;
        if (from >= to) throw refused(at.path, `the range ${part} is not from lower to higher`);
        return { from, to };
      });
      return enough(list, at, ranges);
    },
    print: (list) => list.map((each) => printRange(each, ':')).join(','),
  };
}

function onePort(text: string, all: string, at: ArgumentPlace): number {
  const port = wholeNumber(text, 65535) ?? readPort(text, at, at.names.protocolName(at.protocol));
  if (port === undefined) throw badRange(at.path, 'ports or services with commas between', all);
  return port;
}

/** The list of one kind; absent if the payload holds another kind. */
function portStore(kind: number, ranges: boolean): Store<PortList> {
  return {
    read(payload, cx) {
      if (u8(0).read(payload, cx) !== kind) return undefined;
      const count = u8(1).read(payload, cx)!;
      if (count > slots) return undefined;
      const list: (number | Range)[] = [];
      for (let slot = 0; slot < count; slot++) {
        const port = u16(2 + 2 * slot).read(payload, cx)!;
        if (!ranges || u8(32 + slot).read(payload, cx) === 0) list.push(port);
        else list.push({ from: port, to: u16(2 + 2 * ++slot).read(payload, cx)! });
      }
      return list;
    },
    write(payload, list, cx) {
      u8(0).write(payload, kind, cx);
      let slot = 0;
      for (const each of list) {
        const { from, to } = typeof each === 'number' ? { from: each, to: undefined } : each;
        u16(2 + 2 * slot).write(payload, from, cx);
        if (to !== undefined) {
          u8(32 + slot).write(payload, 1, cx);
          u16(2 + 2 * ++slot).write(payload, to, cx);
        }
        slot++;
      }
      u8(1).write(payload, slot, cx);
    },
  };
}

function multiport(revision: 0 | 1) {
  const ranges = revision === 1;
  const invert = ranges ? bit(47, 1) : { read: () => false, write: () => void 0 };
  const type = portList(ranges);
  return match<MultiportMatch>({
    name: 'multiport',
    revision,
    families: both,
    size: ranges ? 48 : 32,
    protocols,
    fields: {
      sports: {
        options: ['sports', 'source-ports', 'source-port'],
        type,
        store: portStore(0, ranges),
        invert,
        excludes: ['dports', 'ports'],
      },
      dports: {
        options: ['dports', 'destination-ports', 'destination-port'],
        type,
        store: portStore(1, ranges),
        invert,
        excludes: ['sports', 'ports'],
      },
      ports: {
        options: ['ports', 'port'],
        type,
        store: portStore(2, ranges),
        invert,
        excludes: ['sports', 'dports'],
      },
    },
    check(value, at) {
      const list = value.sports ?? value.dports ?? value.ports;
      if (list === undefined) throw refused(at.path, 'needs sports, dports or ports');
      if (!ranges && 'not' in list) throw refused(at.path, 'revision 0 cannot be negated');
    },
  });
}

export const multiport0 = multiport(0);
export const multiport1 = multiport(1);
