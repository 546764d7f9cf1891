// Our own parser, filter and columns on messages given as bytes, in a process under sanitizers. The result is a
// FlowBatch as a dump makes it. See native/test/decode_program.cc.
import { execFileSync } from 'node:child_process';
import { FlowBatch } from '../../src/conntrack/batch/flow-batch.js';
import { sanitizedProgram } from './c-program.js';

export type Verdict = 'undecodable' | 'rejected' | 'row';
const verdicts: Verdict[] = ['undecodable', 'rejected', 'row'];

export interface Decoded {
  /** The result for each message, in order. */
  verdicts: Verdict[];
  batch: FlowBatch;
}

const program = () =>
  sanitizedProgram('decode_program', [
    'cancel.cc',
    'conntrack/columns.cc',
    'conntrack/columns_read.cc',
    'conntrack/decode/parse.cc',
    'conntrack/filter/filter.cc',
    'conntrack/filter/filter_compile.cc',
    'netlink/requesters.cc',
    'netlink/socket.cc',
    'netlink/trace.cc',
  ]);

/** Decodes whole messages in hex. `filter` has packed words. Throws an error with the sanitizer's report. */
export function decodeMessages(
  hex: readonly string[],
  filter: Uint32Array = new Uint32Array(0),
): Decoded {
  const output = execFileSync(program(), Array.from(filter, String), {
    input: hex.map((line) => `${line}\n`).join(''),
    maxBuffer: 1 << 30,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const bytes = new Uint8Array(output).buffer;
  const view = new DataView(bytes);
  const lines = view.getUint32(0, true);
  let at = 4 + lines;
  const number = () => {
    const value = Number(view.getBigUint64(at, true));
    at += 8;
    return value;
  };
  const [rows, capacity, withoutCounters, ...sizes] = Array.from({ length: 7 }, number);
  const [arena, addresses, extraIndex, extra] = sizes.map((size) => {
    const part = bytes.slice(at, at + size);
    at += size;
    return size === 0 ? undefined : part;
  });
  const found = Array.from(new Uint8Array(bytes, 4, lines), (code) => verdicts[code]!);
  const count = (verdict: Verdict) => found.filter((one) => one === verdict).length;
  const batch = FlowBatch.fromRaw(
    {
      rows: rows!,
      capacity: capacity!,
      withoutCounters: withoutCounters!,
      arena,
      addresses,
      extraIndex,
      extra,
    },
    {
      messages: lines,
      undecodable: count('undecodable'),
      rejected: count('rejected'),
      duplicates: 0,
      kernelFilter: 0,
      sockets: 1,
    },
  );
  return { verdicts: found, batch };
}
