// Expectations for tests: master flows, tuples, and `conntrack -L expect` as the oracle.
import type { Expectation, ExpectationInit, ExpectationTupleInit } from '../../src/index.js';
import { type Suite, suite } from './harness.js';
import { Netns } from './netns.js';
import { conntrack, memory, sysctls } from './table.js';

const { expectations } = conntrack;
const own = Netns.current;

export const master = (port: number, helper: string | null = 'ftp', zone?: number) => ({
  protocol: 'tcp' as const,
  orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: port, dstPort: 21 },
  timeout: 600,
  state: 'ESTABLISHED' as const,
  status: ['assured' as const],
  ...(helper !== null && { helper }),
  ...(zone !== undefined && { zone }),
});
export const nameOf = (flow: ReturnType<typeof master>) => ({
  protocol: flow.protocol,
  orig: flow.orig,
  ...('zone' in flow && { zone: flow.zone }),
});
export const tuple = (dstPort: number) => ({
  src: '10.9.9.8',
  dst: '10.9.9.9',
  srcPort: 0,
  dstPort,
});
export const init = (masterPort: number, dstPort: number): ExpectationInit => ({
  protocol: 'tcp',
  tuple: tuple(dstPort),
  master: nameOf(master(masterPort)),
});
export const named = (dstPort: number): ExpectationTupleInit => ({
  protocol: 'tcp',
  ...tuple(dstPort),
});

/** `conntrack -L expect`, one object of words for each line. In memory the list of the package has to do. */
export async function oracle(): Promise<Record<string, string>[]> {
  if (memory !== undefined) return (await expectations.list()).map(asOracle);
  const list = (family: string) => own.exec('conntrack', '-L', 'expect', '-f', family);
  const text = list('ipv4') + list('ipv6');
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const words: Record<string, string> = {};
    let flags = '';
    for (const word of line.trim().split(/\s+/).slice(1)) {
      const [key = '', value] = word.split('=');
      if (value === undefined) {
        flags += key;
        continue;
      }
      // The ports of the mask and of the master come after those of the expected flow, under the same names.
      let name = key;
      while (name in words) name += "'";
      words[name] = value;
    }
    words.flags = flags;
    return words;
  });
}
export const asOracle = (one: Expectation): Record<string, string> => ({
  flags: one.flags.map((flag) => flag.toUpperCase()).join(','),
  proto: String(one.protocolNumber),
  src: one.tuple.src,
  dst: one.tuple.dst,
  sport: String(one.tuple.srcPort),
  dport: String(one.tuple.dstPort),
  'mask-src': one.mask.src,
  'mask-dst': one.family === 'ipv4' ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  "sport'": String(one.mask.srcPort),
  "dport'": '65535',
  'master-src': one.master.src,
  'master-dst': one.master.dst,
  "sport''": String(one.master.srcPort),
  "dport''": String(one.master.dstPort),
  class: String(one.class),
  helper: one.helper!,
});

/** A suite that empties both tables before each case. */
export function expectationSuite(
  name: string,
): Pick<Suite, 'run' | 'when'> & ((name: string, run: () => Promise<void>) => void) {
  const inner = suite(name);
  inner.before(() => sysctls({ events: 1 }));
  const add = (title: string, run: () => void | Promise<void>) =>
    inner(title, async () => {
      await expectations.flush();
      await conntrack.flush();
      await run();
    });
  const when: Suite['when'] = (reason, title, run) =>
    reason === undefined ? add(title, run) : inner.skip(title, reason);
  return Object.assign(add, { run: inner.run, when });
}
