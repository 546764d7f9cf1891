// What a namespace does to packets: whether it tracks them, and whether it translates their addresses.
import type { RawHookReport, RawTrackingReport } from '../../native/binding.js';
import type { Session } from '../../native/session.js';

/** Whether hooks are registered; `'unknown'` where that could not be found out. */
export type HookVerdict = 'active' | 'none' | 'unknown';

/** Whether hooks of netfilter are registered in a network namespace. */
export interface HookState {
  /**
   * `'active'`: in at least one family. `'none'`: in no family. `'unknown'`: nothing was found, and not everything
   * could be looked at.
   */
  readonly state: HookVerdict;
  /** IPv4 packets. The kernel registers hooks for each family on its own. */
  readonly ipv4: HookVerdict;
  /** IPv6 packets. */
  readonly ipv6: HookVerdict;
  /**
   * How it was found. `'hooks'`: the kernel listed its hooks (nfnetlink_hook, Linux 5.14, with
   * CONFIG_NETFILTER_NETLINK_HOOK). This is certain. `'rules'`: the rules of iptables and nftables were searched for
   * what makes the kernel register hooks. This does not see what needs no rule: IPVS for FTP, Open vSwitch, tc,
   * and the module option `nf_conntrack.enable_hooks`.
   */
  readonly source: 'hooks' | 'rules';
  /** What was found, or why nothing could be. */
  readonly reasons: readonly string[];
}

/** Whether packets are tracked. Needs CAP_NET_ADMIN; without it, `'unknown'`. */
export interface TrackingState extends HookState {
  /** Frames that a bridge forwards (nf_conntrack_bridge, a rule of nftables in family bridge). */
  readonly bridge: HookVerdict;
}

/**
 * Whether addresses can be translated. Flows with NAT have an effect only where this is `'active'`. A `nat` table or
 * a chain of type nat is enough, even an empty one. Tracking is another matter.
 */
export type NatState = HookState;

/** What `Conntrack.hooks()` tells. */
export interface NetfilterHooks {
  /** Whether packets are tracked. */
  readonly tracking: TrackingState;
  /** Whether addresses can be translated. */
  readonly nat: NatState;
}

function stateOf(
  report: RawHookReport,
  { source, unknown }: RawTrackingReport,
  nothing: string,
): HookState {
  const { ipv4, ipv6, bridge, found } = report;
  const all = [ipv4, ipv6, bridge];
  const state = all.includes('active') ? 'active' : all.includes('unknown') ? 'unknown' : 'none';
  const reasons = state === 'active' ? [...found] : state === 'unknown' ? [...unknown] : [nothing];
  return { state, ipv4, ipv6, source, reasons };
}

export function trackingState(raw: RawTrackingReport): TrackingState {
  const nothing =
    raw.source === 'hooks'
      ? 'no hook of conntrack is registered'
      : 'no rule, set or object of iptables or nftables asks for conntrack';
  return { ...stateOf(raw.tracking, raw, nothing), bridge: raw.tracking.bridge };
}

export function natState(raw: RawTrackingReport): NatState {
  const nothing =
    raw.source === 'hooks'
      ? 'no hook of NAT is registered'
      : 'there is no nat table of iptables and no nat chain of nftables';
  return stateOf(raw.nat, raw, nothing);
}

export async function readHooks(session: Session): Promise<NetfilterHooks> {
  const report = await session.run('conntrack tracking', undefined, (binding, handle) =>
    binding.ctTracking(handle),
  );
  return { tracking: trackingState(report), nat: natState(report) };
}
