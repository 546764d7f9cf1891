// What the evidence about connection tracking in a namespace means.
import type { RawEvidence } from '../native/binding.js';

export interface TrackingState {
  /**
   * `'active'`: something refers to conntrack or NAT, so packets are tracked. `'none'`: no iptables or
   * nftables rule does (Open vSwitch, tc and IPVS, which also can, are not looked at). `'unknown'`: the
   * rules could not be read.
   */
  state: 'active' | 'none' | 'unknown';
  /** What was found, or why nothing could be. */
  reasons: string[];
}

export function trackingState(evidence: RawEvidence): TrackingState {
  const found = [...new Set(evidence.found)];
  if (found.length > 0) return { state: 'active', reasons: found };
  if (evidence.unknown.length > 0) return { state: 'unknown', reasons: [...evidence.unknown] };
  return { state: 'none', reasons: ['no iptables or nftables rule refers to conntrack or NAT'] };
}
