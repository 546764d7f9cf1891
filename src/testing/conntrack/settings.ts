// The sysctls of a table in memory, as files: conntrack.settings() and configure() read and write them. The values are
// those of Linux 6.18. Knows no flow.
import { stateNames } from '../../constants.js';

const prefix = '/proc/sys/net/netfilter/nf_conntrack_';

/** The kernel's defaults (nf_conntrack_standalone.c, and the timeouts of each protocol). */
const defaults = {
  ...{ max: 262_144, buckets: 262_144, expect_max: 4096, acct: 0, timestamp: 0, events: 2 },
  ...{ checksum: 1, log_invalid: 0 },
  ...{ tcp_loose: 1, tcp_be_liberal: 0, tcp_ignore_invalid_rst: 0, tcp_max_retrans: 3 },
  ...{ generic_timeout: 600, icmp_timeout: 30, icmpv6_timeout: 30 },
  ...{ udp_timeout: 30, udp_timeout_stream: 120, gre_timeout: 30, gre_timeout_stream: 180 },
  ...{ tcp_timeout_syn_sent: 120, tcp_timeout_syn_recv: 60, tcp_timeout_established: 432_000 },
  ...{ tcp_timeout_fin_wait: 120, tcp_timeout_close_wait: 60, tcp_timeout_last_ack: 30 },
  ...{ tcp_timeout_time_wait: 120, tcp_timeout_close: 10, tcp_timeout_max_retrans: 300 },
  ...{ tcp_timeout_unacknowledged: 300, sctp_timeout_closed: 10, sctp_timeout_cookie_wait: 3 },
  ...{ sctp_timeout_cookie_echoed: 3, sctp_timeout_established: 210 },
  ...{ sctp_timeout_shutdown_sent: 3, sctp_timeout_shutdown_recd: 3 },
  ...{ sctp_timeout_shutdown_ack_sent: 3, sctp_timeout_heartbeat_sent: 30 },
};

type Name = keyof typeof defaults;
const isName = (name: string): name is Name => Object.hasOwn(defaults, name);

/** Numbers that the kernel reads into 8 bits, and those that only some values are for. */
const highest: Partial<Record<Name, number>> = {
  ...{ acct: 1, timestamp: 1, events: 2, checksum: 1, log_invalid: 255 },
  ...{ tcp_loose: 1, tcp_be_liberal: 1, tcp_ignore_invalid_rst: 1, tcp_max_retrans: 255 },
};

export class Settings {
  readonly values: Record<Name, number> = { ...defaults };

  /** What a file holds; `undefined` where there is no such file. */
  read(path: string, entries: number): string | undefined {
    const name = path.startsWith(prefix) ? path.slice(prefix.length) : '';
    if (name === 'count') return `${entries}\n`;
    return isName(name) ? `${this.values[name]}\n` : undefined;
  }

  /** The errno of the refusal; 0: written. */
  write(path: string, text: string): 0 | 2 | 22 {
    const name = path.startsWith(prefix) ? path.slice(prefix.length) : '';
    if (!isName(name)) return 2;
    const value = Number(text);
    if (value > (highest[name] ?? 0x7fffffff)) return 22;
    this.values[name] = value;
    return 0;
  }

  /** Seconds until a flow without packets expires. */
  timeout(protocol: string | number, state: number, answered: boolean): number {
    const { values } = this;
    const of = (name: string): number => (isName(name) ? values[name] : values.generic_timeout);
    if (protocol === 'tcp' || protocol === 'sctp') {
      const names = stateNames(protocol === 'tcp' ? 6 : 132)!;
      const named = names[state] === 'SYN_SENT2' ? 'SYN_SENT' : names[state];
      return of(`${protocol}_timeout_${named?.toLowerCase()}`);
    }
    if (protocol === 'udp' || protocol === 'udplite') {
      return answered ? values.udp_timeout_stream : values.udp_timeout;
    }
    if (protocol === 'gre') return answered ? values.gre_timeout_stream : values.gre_timeout;
    return of(`${protocol}_timeout`);
  }
}
