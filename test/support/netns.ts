// Network namespaces for tests. They are created in the /run/netns of the test's mount namespace. nsenter enters
// them, because `ip netns exec` mounts /sys and so fails in some containers. `Netns.current` is the namespace of this
// process.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { labProgram } from './lab-rules.js';
import { Child, type RunOptions, run } from './process.js';

let made = 0;

export class Netns implements Disposable {
  /** The namespace that this process is in. */
  static readonly current = new Netns(undefined);

  private constructor(
    /** The name under /run/netns; `undefined` for the current one. */
    readonly name: string | undefined,
  ) {}

  /** Makes a namespace with its loopback up. Without a name it gets a new one. */
  static create(name = `t${process.pid}-${++made}`): Netns {
    run(['ip', 'netns', 'add', name]);
    const netns = new Netns(name);
    try {
      netns.exec('ip', 'link', 'set', 'lo', 'up');
    } catch (error) {
      netns[Symbol.dispose]();
      throw error;
    }
    return netns;
  }

  /** The path, for `Conntrack.open({ netns })` and others. */
  get path(): string {
    return this.name === undefined ? '/proc/self/ns/net' : `/run/netns/${this.name}`;
  }

  /** The words that run a command in this namespace. */
  argv(command: readonly string[]): string[] {
    return this.name === undefined ? [...command] : ['nsenter', `--net=${this.path}`, ...command];
  }

  /** Runs a command in this namespace to its end. Returns its output. */
  exec(...command: string[]): string {
    return this.run(command);
  }

  run(command: readonly string[], options: RunOptions = {}): string {
    return run(this.argv(command), options);
  }

  /** Starts a command in this namespace. */
  start(command: readonly string[], env: Record<string, string> = {}): Child {
    return Child.start(this.argv(command), env);
  }

  /** `ip …` in this namespace. */
  ip(...args: string[]): string {
    return this.exec('ip', ...args);
  }

  /** `iptables …` for rules that a test needs and does not test, in the backend of lab-rules.ts. */
  iptables(...args: string[]): string {
    this.throwAway();
    return this.exec(labProgram('iptables'), '-w', ...args);
  }

  ip6tables(...args: string[]): string {
    this.throwAway();
    return this.exec(labProgram('ip6tables'), '-w', ...args);
  }

  /** Reads a sysctl of this namespace: `net.netfilter.nf_conntrack_acct`. */
  sysctl(name: string): string {
    const path = sysctlPath(name);
    return (this.name === undefined ? readFileSync(path, 'utf8') : this.exec('cat', path)).trim();
  }

  setSysctl(name: string, value: string | number): void {
    this.throwAway();
    const path = sysctlPath(name);
    if (this.name === undefined) writeFileSync(path, String(value));
    else this.run(['sh', '-c', 'cat > "$1"', 'sh', path], { input: String(value) });
  }

  /** Sets a sysctl while `work` runs, and always restores the old value. */
  async withSysctl<T>(
    name: string,
    value: string | number,
    work: () => T | Promise<T>,
  ): Promise<T> {
    const old = this.sysctl(name);
    this.setSysctl(name, value);
    try {
      return await work();
    } finally {
      this.setSysctl(name, old);
    }
  }

  /** Accounting, timestamps and events, for conntrack entries that are made from now on. */
  conntrackSysctls(values: { acct?: 0 | 1; timestamp?: 0 | 1; events?: 0 | 1 | 2 }): void {
    for (const [name, value] of Object.entries(values)) {
      this.setSysctl(`net.netfilter.nf_conntrack_${name}`, value);
    }
  }

  /** Turns tracking on for both families. Without a rule that needs it, the kernel tracks no packet. */
  tracking(): void {
    this.iptables('-A', 'OUTPUT', '-m', 'conntrack', '--ctstate', 'NEW');
    this.ip6tables('-A', 'OUTPUT', '-m', 'conntrack', '--ctstate', 'NEW');
  }

  /** Makes the kernel translate IPv4 flows: a table of nat without a rule does that. */
  translation(): void {
    this.iptables('-t', 'nat', '-P', 'POSTROUTING', 'ACCEPT');
  }

  /** How many entries the table has. */
  flowCount(): number {
    return Number(this.sysctl('net.netfilter.nf_conntrack_count'));
  }

  /** Refuses the machine's own namespace: a test file that is started by hand would change the machine's rules. */
  throwAway(): void {
    if (this.name !== undefined) return;
    // This file is writable only in the initial namespace (nf_conntrack_standalone.c).
    if ((statSync('/proc/sys/net/netfilter/nf_conntrack_max').mode & 0o200) !== 0) {
      throw new Error('this is the network namespace of the machine: start tests by test/run.ts');
    }
  }

  /** Deletes the namespace. Processes that still run in it keep it alive without a name. */
  [Symbol.dispose](): void {
    if (this.name !== undefined) run(['ip', 'netns', 'del', this.name]);
  }
}

function sysctlPath(name: string): string {
  return `/proc/sys/${name.replaceAll('.', '/')}`;
}

/** One end of a veth pair: its namespace, device name and addresses with prefix length. */
export interface VethEnd {
  netns: Netns;
  device: string;
  addresses?: readonly string[];
}

/** Joins two namespaces. Both devices are up, and their addresses are usable at once (no DAD). */
export function veth(a: VethEnd, b: VethEnd): void {
  const place = (netns: Netns) => (netns.name === undefined ? [] : ['netns', netns.name]);
  const first = a.netns.name !== undefined ? a : b; // created from the named end, so that both ends can be moved
  const second = first === a ? b : a;
  const target =
    second.netns.name === undefined ? ['netns', String(process.pid)] : place(second.netns);
  first.netns.ip(
    ...['link', 'add', 'name', first.device, 'type', 'veth', 'peer', 'name', second.device],
    ...(first.netns === second.netns ? [] : target),
  );
  for (const end of [a, b]) {
    for (const address of end.addresses ?? []) {
      const nodad = address.includes(':') ? ['nodad'] : [];
      end.netns.ip('address', 'add', address, 'dev', end.device, ...nodad);
    }
    end.netns.ip('link', 'set', end.device, 'up');
  }
}
