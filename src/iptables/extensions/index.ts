// The list of extensions: each is described in its own file. What is not listed here stays raw. How to
// add one: README.md in this folder.
import { addrtype0, addrtype1 } from './addrtype.js';
import { CT0, CT1, CT2, NOTRACK0 } from './CT.js';
import { comment } from './comment.js';
import { conntrack1, conntrack2, conntrack3 } from './conntrack.js';
import type { Extension } from './define.js';
import { icmp } from './icmp.js';
import { icmp6 } from './icmp6.js';
import { iprange } from './iprange.js';
import { LOG } from './LOG.js';
import { limit } from './limit.js';
import { mac } from './mac.js';
import { connmark, mark } from './mark.js';
import { CONNMARK1, CONNMARK2, MARK } from './marks-targets.js';
import { multiport0, multiport1 } from './multiport.js';
import { NAT } from './NAT.js';
import { NETMAP4, NETMAP6 } from './NETMAP.js';
import { owner } from './owner.js';
import { REJECT4, REJECT6 } from './REJECT.js';
import { Registry } from './registry.js';
import { tcp } from './tcp.js';
import { udp } from './udp.js';

const matches = [
  addrtype0,
  addrtype1,
  comment,
  connmark,
  conntrack1,
  conntrack2,
  conntrack3,
  icmp,
  icmp6,
  iprange,
  limit,
  mac,
  mark,
  multiport0,
  multiport1,
  owner,
  tcp,
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
