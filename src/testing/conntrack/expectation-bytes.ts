// Expectations as bytes: the packed form of a request, and the messages that the kernel would send
// (nf_conntrack_netlink.c, ctnetlink_exp_dump_expect). Decides nothing.

import { AttributeWriter, littleEndian } from '../../conntrack/columns/netlink-attributes.js';
import { AF_INET, protocolIsIcmp } from '../../constants.js';
import type { RawSegment } from '../../native/binding.js';
import {
  eventType,
  expectGiven,
  messageHeader,
  packedTuple,
  packedExpectation as place,
} from '../../native/numbers.js';
import { Queue } from './event-queue.js';
import type { Asked, ExpectationFollower, Expected } from './expectation-table.js';
import { ownOf } from './rows.js';
import { hasPorts, type Named, namedAt, type Tuple } from './tuple.js';

/** Reads a request: what is expected, its tuple as a name, and the name of its master. */
export function askedOf(bytes: Uint8Array): { asked: Asked; name: Named; of: Named } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const given = view.getUint8(place.given);
  const has = (flag: keyof typeof expectGiven) => (given & expectGiven[flag]) !== 0;
  const at = (offset: number) => namedAt(bytes.subarray(offset, offset + packedTuple.bytes), 0);
  const number = (offset: number) => view.getUint32(offset, littleEndian);
  const text = (offset: number, room: number) => {
    const part = bytes.subarray(offset, offset + room);
    return Buffer.from(part.subarray(0, part.indexOf(0))).toString();
  };
  const of = at(place.master);
  const name = { ...at(place.tuple), zone: of.zone };
  const direction = view.getUint8(place.natDirection) as 0 | 1;
  const asked: Asked = {
    family: name.family,
    protocol: name.protocol,
    tuple: name.tuple,
    mask: at(place.mask).tuple,
    flags: has('flags') ? number(place.flags) : 0,
    class: has('class') ? number(place.policyClass) : 0,
    helper: has('helper') ? text(place.helper, 32) : undefined,
    fn: has('function') ? text(place.function, 64) : undefined,
    nat: has('nat') ? { direction, source: at(place.nat).tuple } : undefined,
    seconds: has('timeout') ? number(place.timeout) : undefined,
  };
  return { asked, name, of };
}

function writeTuple(run: AttributeWriter, type: number, protocol: number, tuple: Tuple): void {
  const v6 = tuple.src.length === 16;
  run.nest(type, () => {
    run.nest(1, () => {
      run.bytes(v6 ? 3 : 1, tuple.src);
      run.bytes(v6 ? 4 : 2, tuple.dst);
    });
    run.nest(2, () => {
      run.be(1, 1, protocol);
      if (!hasPorts(protocol) || protocolIsIcmp(protocol)) return;
      run.be(2, 2, tuple.first);
      run.be(3, 2, tuple.second);
    });
  });
}

function writeExpected(run: AttributeWriter, one: Expected, now: number): void {
  const { family, protocol, tuple, mask, master, nat, fn } = one;
  // nfgenmsg: the family, the version, an id.
  run.raw([family, 0, 0, 0]);
  writeTuple(run, 2, protocol, tuple);
  writeTuple(run, 3, protocol, {
    ...mask,
    dst: new Uint8Array(family === AF_INET ? 4 : 16).fill(255),
  });
  writeTuple(run, 1, master.protocol, master.orig);
  if (nat !== undefined) {
    run.nest(10, () => {
      run.be(1, 4, nat.direction);
      writeTuple(run, 2, protocol, nat.source);
    });
  }
  run.be(4, 4, Math.max(0, Math.floor((one.expires - now) / 1000)));
  run.be(5, 4, one.id);
  run.be(8, 4, one.flags);
  run.be(9, 4, one.class);
  if (master.helper) run.text(6, master.helper);
  if (fn !== undefined) run.text(11, fn);
}

/** Something that was told of an expectation. */
interface ExpectationNews {
  readonly type: number;
  readonly expected: Expected;
  readonly at: number;
  readonly portid: number;
}

/** The messages about these, as native code hands them over; `undefined`: none. */
export function messagesOf(list: readonly ExpectationNews[]): ArrayBuffer | undefined {
  if (list.length === 0) return undefined;
  const parts: Uint8Array[] = [];
  for (const { type, expected, at, portid } of list) {
    const run = new AttributeWriter();
    writeExpected(run, expected, at);
    const header = new DataView(new ArrayBuffer(messageHeader.bytes));
    header.setUint32(messageHeader.size, run.size, littleEndian);
    header.setInt32(messageHeader.nsid, -1, littleEndian);
    header.setUint32(messageHeader.type, type, littleEndian);
    header.setUint32(messageHeader.portid, portid, littleEndian);
    header.setUint32(messageHeader.own, ownOf(portid), littleEndian);
    parts.push(new Uint8Array(header.buffer), run.written.slice(), new Uint8Array(-run.size & 3));
  }
  return new Uint8Array(Buffer.concat(parts)).buffer;
}

/** The answers to a request. */
export const answersOf = (list: readonly Expected[], now: number): ArrayBuffer | undefined =>
  messagesOf(list.map((expected) => ({ type: eventType.none, expected, at: now, portid: 0 })));

/** The events of expectations that a reader has not taken yet. */
export class ExpectationQueue extends Queue<ExpectationNews> implements ExpectationFollower {
  protected segmentOf(events: ExpectationNews[]): RawSegment {
    return { events: events.length, messages: messagesOf(events) };
  }

  takeExpectation(type: 'new' | 'destroy', expected: Expected, at: number, portid: number): void {
    if (this.wants(type, portid)) this.keep({ type: eventType[type], expected, at, portid });
  }
}
