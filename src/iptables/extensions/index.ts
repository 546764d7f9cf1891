// The list of extensions: each is described in its own file. An extension that is not listed here stays raw.
// README.md in this folder says how to add one.

import { addrtype0, addrtype1 } from './addrtype.js';
import { ah4, ah6 } from './ah.js';
import { bpf0, bpf1 } from './bpf.js';
import { CLASSIFY } from './CLASSIFY.js';
import { CLUSTERIP } from './CLUSTERIP.js';
import { CT0, CT1, CT2, NOTRACK0 } from './CT.js';
import { cgroup0, cgroup1, cgroup2 } from './cgroup.js';
import { cluster } from './cluster.js';
import { comment } from './comment.js';
import { connbytes } from './connbytes.js';
import { connlabel } from './connlabel.js';
import { connlimit } from './connlimit.js';
import { conntrack1, conntrack2, conntrack3 } from './conntrack.js';
import { cpu } from './cpu.js';
import { dccp } from './dccp.js';
import type { Extension } from './define.js';
import { dscp } from './dscp.js';
import { ecn } from './ecn.js';
import { ECN } from './ecn-target.js';
import { eui64 } from './eui64.js';
import { frag } from './frag.js';
import { devgroup, realm } from './groups.js';
import { HMARK } from './HMARK.js';
import { hashlimit1, hashlimit2, hashlimit3 } from './hashlimit.js';
import { helper } from './helper.js';
import { HL, TTL } from './hop-limit-targets.js';
import { IDLETIMER0, IDLETIMER1 } from './IDLETIMER.js';
import { icmp } from './icmp.js';
import { icmp6 } from './icmp6.js';
import { iprange } from './iprange.js';
import { dst, hbh } from './ipv6-options.js';
import { ipv6header } from './ipv6header.js';
import { ipvs } from './ipvs.js';
import { LED } from './LED.js';
import { LOG } from './LOG.js';
import { length } from './length.js';
import { limit } from './limit.js';
import { mac } from './mac.js';
import { connmark, mark } from './mark.js';
import { CONNMARK1, CONNMARK2, MARK } from './marks-targets.js';
import { mh } from './mh.js';
import { multiport0, multiport1 } from './multiport.js';
import { NAT } from './NAT.js';
import { NETMAP4, NETMAP6 } from './NETMAP.js';
import { NFLOG } from './NFLOG.js';
import { NFQUEUE0, NFQUEUE1, NFQUEUE2, NFQUEUE3 } from './NFQUEUE.js';
import { DNPT, SNPT } from './NPT.js';
import { nfacct0, nfacct1 } from './nfacct.js';
import { osf } from './osf.js';
import { owner } from './owner.js';
import { physdev } from './physdev.js';
import { pkttype } from './pkttype.js';
import { policy } from './policy.js';
import { quota } from './quota.js';
import { REJECT4, REJECT6 } from './REJECT.js';
import { rateest } from './rateest.js';
import { RATEEST } from './rateest-target.js';
import { recent0, recent1 } from './recent.js';
import { Registry } from './registry.js';
import { rpfilter } from './rpfilter.js';
import { rt } from './rt.js';
import { SYNPROXY } from './SYNPROXY.js';
import { sctp } from './sctp.js';
import { CONNSECMARK, SECMARK0, SECMARK1 } from './security-targets.js';
import { set0, set1, set2, set3, set4 } from './set.js';
import { SET0, SET1, SET2, SET3 } from './set-target.js';
import { AUDIT, CHECKSUM, TRACE } from './small-targets.js';
import { socket0, socket1, socket2, socket3 } from './socket.js';
import { esp, ipcomp } from './spi.js';
import { srh0, srh1 } from './srh.js';
import { statistic } from './statistic.js';
import { string } from './string.js';
import { TEE0, TEE1 } from './TEE.js';
import { TPROXY } from './TPROXY.js';
import { tcp } from './tcp.js';
import { TCPMSS, TCPOPTSTRIP } from './tcp-option-targets.js';
import { tcpmss } from './tcpmss.js';
import { time } from './time.js';
import { tos0, tos1 } from './tos.js';
import { DSCP, TOS0, TOS1 } from './tos-targets.js';
import { hl, ttl } from './ttl.js';
import { ULOG } from './ULOG.js';
import { u32 } from './u32.js';
import { udp } from './udp.js';

const matches = [
  addrtype0,
  addrtype1,
  cluster,
  ah4,
  ah6,
  bpf0,
  bpf1,
  cgroup0,
  cgroup1,
  cgroup2,
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
  dccp,
  dst,
  esp,
  eui64,
  frag,
  hbh,
  icmp,
  icmp6,
  ipcomp,
  iprange,
  length,
  ipv6header,
  ipvs,
  limit,
  mac,
  mark,
  mh,
  multiport0,
  multiport1,
  nfacct0,
  nfacct1,
  osf,
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
  rateest,
  rt,
  sctp,
  srh0,
  srh1,
  tcp,
  tcpmss,
  time,
  tos0,
  tos1,
  ttl,
  u32,
  udp,
] as const;

const targets = [
  AUDIT,
  CHECKSUM,
  CLASSIFY,
  CLUSTERIP,
  CONNMARK1,
  CONNMARK2,
  CONNSECMARK,
  CT0,
  CT1,
  CT2,
  DNPT,
  DSCP,
  ECN,
  HL,
  HMARK,
  IDLETIMER0,
  IDLETIMER1,
  LED,
  LOG,
  MARK,
  ...NAT,
  NETMAP4,
  NETMAP6,
  NFLOG,
  NFQUEUE0,
  NFQUEUE1,
  NFQUEUE2,
  NFQUEUE3,
  NOTRACK0,
  RATEEST,
  REJECT4,
  REJECT6,
  SECMARK0,
  SECMARK1,
  SET0,
  SET1,
  SET2,
  SET3,
  SNPT,
  SYNPROXY,
  TCPMSS,
  TCPOPTSTRIP,
  TEE0,
  TEE1,
  TOS0,
  TOS1,
  ...TPROXY,
  TRACE,
  TTL,
  ULOG,
] as const;

type ShapeOf<E> = E extends Extension<infer V> ? V : never;

/** Every match that the package knows, told apart by `name`. */
export type KnownMatch = ShapeOf<(typeof matches)[number]>;
/** Every target that the package knows, told apart by `name`. */
export type KnownTarget = ShapeOf<(typeof targets)[number]>;

/** Every extension in every revision. */
export const extensions = [...matches, ...targets] as readonly Extension[];

export const registry = new Registry(extensions);
