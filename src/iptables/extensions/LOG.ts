// Target LOG: writes a line to the kernel's log; the packet goes on to the next rule (struct xt_log_info).
import { badRange } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import type { Known, ValueType } from './define.js';
import { both, target } from './define.js';
import { given } from './number-values.js';
import { coded, cstring, flagBit, u8 } from './stores.js';
import { oneOf, string } from './text-values.js';

export type SyslogLevel = (typeof levels)[number];

export interface LogTarget extends Known {
  readonly name: 'LOG';
  /** At most 29 bytes. iptables cuts longer ones, the typed form refuses them. */
  readonly prefix?: string;
  /** `warning` unless given. */
  readonly level?: SyslogLevel;
  /** TCP sequence numbers. */
  readonly tcpSequence?: true;
  /** Options of the TCP header. */
  readonly tcpOptions?: true;
  /** Options of the IP header. */
  readonly ipOptions?: true;
  /** The user id of the local socket. */
  readonly uid?: true;
  /** Ethernet addresses, decoded. */
  readonly macdecode?: true;
}

const levels = ['emerg', 'alert', 'crit', 'error', 'warning', 'notice', 'info', 'debug'] as const;
const names = oneOf(levels);
const codes = Object.fromEntries(levels.map((name, code) => [name, code])) as Record<
  SyslogLevel,
  number
>;

const level: ValueType<SyslogLevel> = {
  ...names,
  parse(text, at) {
    const number = wholeNumber(text, 7);
    const name = number === undefined ? levels.find((each) => each === text) : levels[number];
    if (name !== undefined) return name;
    if (text === 'panic') return 'emerg';
    throw badRange(at.path, `0…7 or one of ${levels.join(', ')}`, text);
  },
  print: (name) => String(codes[name]),
};

const option = (name: string, mask: number) => ({
  options: [name],
  type: given,
  store: flagBit(1, mask),
});

export const LOG = target<LogTarget>({
  name: 'LOG',
  revision: 0,
  families: both,
  size: 32,
  fields: {
    prefix: {
      options: ['log-prefix'],
      type: string({ max: 29, min: 1, longer: 'cut' }),
      store: cstring(2, 30),
    },
    level: {
      options: ['log-level'],
      type: level,
      store: coded(u8(0), codes),
      default: 'warning',
      shown: true,
    },
    tcpSequence: option('log-tcp-sequence', 1),
    tcpOptions: option('log-tcp-options', 2),
    ipOptions: option('log-ip-options', 4),
    uid: option('log-uid', 8),
    macdecode: option('log-macdecode', 0x20),
  },
});
