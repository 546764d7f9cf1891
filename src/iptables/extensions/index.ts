// The list of extensions: each is described in its own file. What is not listed here stays raw. How to
// add one: README.md in this folder.

import { addrtype0, addrtype1 } from './addrtype.js';
import { CT0, CT1, CT2, NOTRACK0 } from './CT.js';
import { cluster } from './cluster.js';
import { comment } from './comment.js';
import { connbytes } from './connbytes.js';
import { connlabel } from './connlabel.js';
import { connlimit } from './connlimit.js';
import { conntrack1, conntrack2, conntrack3 } from './conntrack.js';
import { cpu } from './cpu.js';
import type { Extension } from './define.js';
import { dscp } from './dscp.js';
import { ecn } from './ecn.js';
import { devgroup, realm } from './groups.js';
import { hashlimit1, hashlimit2, hashlimit3 } from './hashlimit.js';
import { helper } from './helper.js';
import { icmp } from './icmp.js';
import { icmp6 } from './icmp6.js';
import { iprange } from './iprange.js';
import { LOG } from './LOG.js';
import { length } from './length.js';
import { limit } from './limit.js';
import { mac } from './mac.js';
import { connmark, mark } from './mark.js';
import { CONNMARK1, CONNMARK2, MARK } from './marks-targets.js';
import { multiport0, multiport1 } from './multiport.js';
import { NAT } from './NAT.js';
import { NETMAP4, NETMAP6 } from './NETMAP.js';
import { owner } from './owner.js';
import { physdev } from './physdev.js';
import { pkttype } from './pkttype.js';
import { policy } from './policy.js';
import { quota } from './quota.js';
import { REJECT4, REJECT6 } from './REJECT.js';
import { recent0, recent1 } from './recent.js';
import { Registry } from './registry.js';
import { rpfilter } from './rpfilter.js';
import { set0, set1, set2, set3, set4 } from './set.js';
import { socket0, socket1, socket2, socket3 } from './socket.js';
import { statistic } from './statistic.js';
import { string } from './string.js';
import { tcp } from './tcp.js';
import { tcpmss } from './tcpmss.js';
import { time } from './time.js';
import { tos0, tos1 } from './tos.js';
import { hl, ttl } from './ttl.js';
import { udp } from './udp.js';

const matches = [
  addrtype0,
  addrtype1,
  cluster,
  comment,
  connbytes,
  connlabel,
  connlimit,
  connmark,
  conntrack1,
  conntrack2,
  conntrack3,
  cpu,
  devgroup,
  dscp,
  ecn,
  hashlimit1,
  hashlimit2,
  hashlimit3,
  helper,
  hl,
  icmp,
  icmp6,
  iprange,
  length,
  limit,
  mac,
  mark,
  multiport0,
  multiport1,
  owner,
  physdev,
  pkttype,
  policy,
  quota,
  realm,
  recent0,
  recent1,
  rpfilter,
  set0,
  set1,
  set2,
  set3,
  set4,
  socket0,
  socket1,
  socket2,
  socket3,
  statistic,
  string,
  tcp,
  tcpmss,
  time,
  tos0,
  tos1,
  ttl,
  udp,
] as const;

const targets = [
  CONNMARK1,
  CONNMARK2,
  CT0,
  CT1,
  CT2,
  LOG,
  MARK,
  ...NAT,
  NETMAP4,
  NETMAP6,
  NOTRACK0,
  REJECT4,
  REJECT6,
] as const;

type ShapeOf<E> = E extends Extension<infer V> ? V : never;

/** Every match that the package knows, told apart by `name`. */
export type KnownMatch = ShapeOf<(typeof matches)[number]>;
/** Every target that the package knows, told apart by `name`. */
export type KnownTarget = ShapeOf<(typeof targets)[number]>;

export const registry = new Registry([...matches, ...targets] as readonly Extension[]);
