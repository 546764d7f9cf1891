// Real messages of the kernel, shortened and damaged. They go through our parser, filter and columns, and the
// JavaScript that reads them, under sanitizers. A message that makes no sense is undecodable, never a crash.
import { checkFilter } from '../../src/conntrack/filter/check.js';
import { packFilter } from '../../src/conntrack/filter/pack.js';
import type { Flow, FlowBatch, FlowFilter } from '../../src/index.js';
import { decodeMessages } from '../support/decode-program.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { nfctDump } from '../support/nfct-oracle.js';
import { fill, useLabels } from '../support/populate.js';
import { Random } from '../support/random.js';

const test = suite('malformed messages');
const headerBytes = 20; // nlmsghdr and nfgenmsg

/** Messages of many shapes. */
let messages: Buffer[];

test.before(() => {
  useLabels();
  Netns.current.conntrackSysctls({ acct: 1, timestamp: 1 });
  fill({ count: 1280, seed: 91, labels: true });
  // Each attribute in both families, and pairs of attributes that often come together.
  const seen = new Set<string>();
  messages = [];
  for (const { raw, attributes } of nfctDump({ raw: true })) {
    const names = Object.keys(attributes).map((name) => `${attributes.orig_l3proto} ${name}`);
    const fresh = names.filter((name) => !seen.has(name));
    if (fresh.length === 0 && messages.length >= 20) continue;
    for (const name of names) seen.add(name);
    messages.push(Buffer.from(raw!, 'hex'));
  }
  assert.ok(seen.size > 80 && messages.length < 60, `${seen.size} in ${messages.length}`);
});

const common = {
  status: { none: ['dying'] },
  mark: { value: 0, mask: 0x40000000 },
  label: 7,
  helper: 'ftp',
  nat: 'any',
} satisfies FlowFilter;
// Every criterion, in two filters, because no flow has both ports and an ICMP type.
const filters = (
  [
    {
      ...common,
      protocol: ['tcp', 'udp', 'sctp', 'gre', 50, 89],
      state: 'ESTABLISHED',
      orig: { zone: 12, srcPort: { from: 0, to: 65535 } },
      reply: { zone: 13, dstPort: { from: 0, to: 65535 }, src: '0.0.0.0/0' },
    },
    {
      ...common,
      protocol: ['icmp', 'icmpv6'],
      orig: { zone: 12, icmpType: 8, icmpCode: 0, icmpId: 1 },
      reply: { icmpType: 0, icmpCode: 0, icmpId: 1 },
    },
  ] satisfies FlowFilter[]
).map((filter) => packFilter(checkFilter(filter)));

/** Reads every field of every row. */
function readAll(batch: FlowBatch): void {
  const look = (flow: Flow) => {
    flow.toObject();
    String(flow);
  };
  for (const flow of batch) look(flow);
  JSON.stringify(batch);
  batch.groupBy(['family', 'protocol', 'state', 'helper', 'origSrc'], {
    bytes: { sum: 'bytes' },
    use: { max: 'use' },
  });
  batch.filter({ label: 3 });
  batch.filter({ helper: 'ftp' });
  batch.filter({ reply: { zone: 11 } });
  batch.top(5, 'bytes');
}

function survive(damaged: Buffer[]): { decoded: number; undecodable: number } {
  const hex = damaged.map((bytes) => bytes.toString('hex'));
  const { verdicts, batch } = decodeMessages(hex);
  assert.is(verdicts.length, damaged.length);
  const undecodable = verdicts.filter((verdict) => verdict === 'undecodable').length;
  assert.is(batch.length + undecodable, damaged.length);
  assert.is(batch.stats.undecodable, undecodable);
  readAll(batch);
  for (const filter of filters) decodeMessages(hex, filter);
  return { decoded: batch.length, undecodable };
}

/** A copy whose `nlmsg_len` is its real length. */
function sized(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(bytes.length, 0);
  return bytes;
}

test('every length from nothing to the whole message', () => {
  const cut = messages.flatMap((message) =>
    Array.from({ length: message.length }, (_, length) => Buffer.from(message.subarray(0, length))),
  );
  // A truncated datagram: the header still has the full length.
  const torn = survive(cut);
  assert.is(torn.decoded, 0);
  // A shorter message. If it is cut between attributes behind the tuples, it is a flow with fewer fields.
  const short = survive(cut.filter(({ length }) => length >= 16).map(sized));
  assert.ok(short.undecodable > short.decoded && short.decoded > 0);
});

/** The offsets of the headers of all attributes, also nested ones. */
function attributesOf(message: Buffer, from = headerBytes, to = message.length): number[] {
  const found: number[] = [];
  for (let at = from; at + 4 <= to; ) {
    const length = message.readUInt16LE(at);
    if (length < 4 || at + length > to) break;
    found.push(at);
    if ((message.readUInt16LE(at + 2) & 0x8000) !== 0) {
      found.push(...attributesOf(message, at + 4, at + length));
    }
    at += (length + 3) & ~3;
  }
  return found;
}

test('every attribute with each wrong length', () => {
  const damaged: Buffer[] = [];
  for (const message of messages) {
    for (const at of attributesOf(message)) {
      const length = message.readUInt16LE(at);
      for (const wrong of [0, 1, 3, 4, 5, length - 1, length + 1, length + 4, 0x7fff, 0xffff]) {
        const copy = Buffer.from(message);
        copy.writeUInt16LE(wrong, at);
        damaged.push(copy);
      }
    }
  }
  const { undecodable } = survive(damaged);
  assert.ok(undecodable > damaged.length / 4);
});

test('attributes that are too short for their type', () => {
  // Each attribute alone, with a shortened payload, behind two complete tuples.
  const damaged: Buffer[] = [];
  for (const message of messages) {
    const tops = attributesOf(message).filter(
      (at, i, all) => i === 0 || at >= end(message, all, i),
    );
    const tuples = tops.slice(0, 2).map((at) => message.subarray(at, at + size(message, at)));
    for (const at of tops) {
      for (let keep = 4; keep < message.readUInt16LE(at); keep++) {
        const part = Buffer.alloc((keep + 3) & ~3);
        message.copy(part, 0, at, at + keep);
        part.writeUInt16LE(keep, 0);
        damaged.push(sized(Buffer.concat([message.subarray(0, headerBytes), ...tuples, part])));
      }
    }
  }
  survive(damaged);
});

const size = (message: Buffer, at: number) => (message.readUInt16LE(at) + 3) & ~3;

/** Where the top-level attribute before number `i` of `all` ends. */
function end(message: Buffer, all: number[], i: number): number {
  let last = headerBytes;
  for (let at = headerBytes; at < all[i]!; at += size(message, at)) last = at + size(message, at);
  return last;
}

test('attribute types that do not exist, and doubled attributes', () => {
  const damaged: Buffer[] = [];
  for (const message of messages) {
    for (const at of attributesOf(message)) {
      for (const type of [0, 26, 27, 28, 99, 0x3fff, 0x4001, 0xffff]) {
        const copy = Buffer.from(message);
        copy.writeUInt16LE(type, at + 2);
        damaged.push(copy);
      }
    }
    const body = message.subarray(headerBytes);
    damaged.push(sized(Buffer.concat([message, body])));
    // More rare attributes than a flow can have.
    damaged.push(sized(Buffer.concat([message, ...Array.from({ length: 40 }, () => body)])));
  }
  survive(damaged);
});

test('random damage', () => {
  const random = new Random(92);
  const damaged = Array.from({ length: 8000 }, () => {
    const copy = Buffer.from(random.pick(messages));
    const from = random.chance(90) ? headerBytes : 16;
    for (let i = 1 + random.below(6); i > 0; i--) {
      const at = from + random.below(copy.length - from);
      copy[at] = random.chance(50) ? random.below(256) : copy[at]! ^ (1 << random.below(8));
    }
    if (random.chance(20)) return sized(copy.subarray(0, 16 + random.below(copy.length - 16)));
    return copy;
  });
  const { decoded, undecodable } = survive(damaged);
  assert.ok(decoded > 800 && undecodable > 800);
});

test('noise', () => {
  const random = new Random(93);
  const damaged = Array.from({ length: 2000 }, () => {
    const bytes = Buffer.from(
      Array.from({ length: 16 + random.below(300) }, () => random.below(256)),
    );
    bytes[16] = random.pick([2, 10]);
    return sized(bytes);
  });
  assert.is(survive(damaged).decoded, 0);
});

test.run();
