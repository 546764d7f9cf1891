// The helpers that a kernel with all of its modules has: the protocols of each, and what it expects (nf_conntrack_*.c).
import { AF_INET, protocolNumbers } from '../../constants.js';

const { tcp, udp } = protocolNumbers;

/** How many flows a helper expects for one master, and for how many seconds. */
export interface Policy {
  readonly most: number;
  readonly seconds: number;
}

/** Family and protocol of a flow. */
interface Kind {
  readonly family: 2 | 10;
  readonly protocol: number;
}

interface Helper {
  readonly protocols: readonly number[];
  /** By the number of the class. */
  readonly policies: readonly Policy[];
}

const helper = (protocols: readonly number[], ...policies: [number, number][]): Helper => ({
  protocols,
  policies: policies.map(([most, seconds]) => ({ most, seconds })),
});

const helpers: Readonly<Record<string, Helper>> = {
  amanda: helper([udp], [3, 180]),
  ftp: helper([tcp], [1, 300]),
  irc: helper([tcp], [8, 300]),
  'netbios-ns': helper([udp], [1, 3]),
  pptp: helper([tcp], [2, 300]),
  'Q.931': helper([tcp], [18, 240]),
  RAS: helper([udp], [32, 240]),
  sane: helper([tcp], [1, 300]),
  sip: helper([tcp, udp], [1, 180], [4, 180], [4, 180], [2, 180]),
  snmp: helper([udp], [1, 30]),
  tftp: helper([udp], [1, 300]),
};

/** Names of the functions that a new flow of an expectation can be given. */
export const functionNames: ReadonlySet<string> = new Set([
  ...['nat-follow-master', 'sip', 'Q.931', 'callforwarding'],
]);

/** Helpers without IPv6. */
const onlyIpv4 = new Set(['irc', 'netbios-ns', 'pptp', 'snmp']);

/** Whether the kernel has a helper of this name for such a flow. */
export const helperFits = (name: string, { family, protocol }: Kind): boolean =>
  Object.hasOwn(helpers, name) &&
  helpers[name]!.protocols.includes(protocol) &&
  (family === AF_INET || !onlyIpv4.has(name));

/** What a helper allows of a class; `undefined`: it has no such class. */
export const policyOf = (name: string, number: number): Policy | undefined =>
  helpers[name]?.policies[number];
