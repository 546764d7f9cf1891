// Targets SNAT, DNAT, MASQUERADE and REDIRECT in all their revisions. Table nat.
import type { Family } from '../text/addresses.js';
import type { Known } from './define.js';
import { both, ipv4, ipv6, target } from './define.js';
import type { NatLayout, NatRange } from './nat-range.js';
import {
  multiRange,
  natFlag,
  natOption,
  natPorts,
  natRange,
  natRange1,
  natRange2,
  natStore,
  portsStore,
  rangeCount,
} from './nat-range.js';
import { given } from './number-values.js';
import type { Range } from './stores.js';

export interface SnatTarget extends Known {
  readonly name: 'SNAT';
  /** The new source. */
  readonly toSource: NatRange;
  /** Choose the port from a random hash. */
  readonly random?: true;
  /** Choose the port fully at random. */
  readonly randomFully?: true;
  /** The same address for every flow of a client. */
  readonly persistent?: true;
}

export interface DnatTarget extends Known {
  readonly name: 'DNAT';
  /** The new destination. */
  readonly toDestination: NatRange;
  readonly random?: true;
  readonly persistent?: true;
}

/** SNAT to the address of the outgoing interface. Chain POSTROUTING. */
export interface MasqueradeTarget extends Known {
  readonly name: 'MASQUERADE';
  readonly toPorts?: number | Range;
  readonly random?: true;
  readonly randomFully?: true;
}

/** DNAT to this host. Chains PREROUTING, OUTPUT. */
export interface RedirectTarget extends Known {
  readonly name: 'REDIRECT';
  readonly toPorts?: number | Range;
  readonly random?: true;
}

const tables = ['nat'];
const random = (layout: NatLayout) => ({
  options: ['random'],
  type: given,
  store: natOption(layout, natFlag.random),
});
const randomFully = (layout: NatLayout) => ({
  options: ['random-fully'],
  type: given,
  store: natOption(layout, natFlag.randomFully),
});
const persistent = (layout: NatLayout) => ({
  options: ['persistent'],
  type: given,
  store: natOption(layout, natFlag.persistent),
});
const toPorts = (layout: NatLayout) => ({
  options: ['to-ports'],
  type: natPorts,
  store: portsStore(layout),
});
const shared = (revision: number, families: readonly Family[], layout: NatLayout) => ({
  revision,
  families,
  size: layout.size,
  tables,
  always: rangeCount(layout),
});

function SNAT(revision: number, families: readonly Family[], layout: NatLayout) {
  return target<SnatTarget>({
    name: 'SNAT',
    ...shared(revision, families, layout),
    fields: {
      toSource: {
        options: ['to-source'],
        type: natRange(false),
        store: natStore(layout),
        required: true,
      },
      random: random(layout),
      randomFully: randomFully(layout),
      persistent: persistent(layout),
    },
  });
}

function DNAT(revision: number, families: readonly Family[], layout: NatLayout) {
  return target<DnatTarget>({
    name: 'DNAT',
    ...shared(revision, families, layout),
    fields: {
      toDestination: {
        options: ['to-destination'],
        type: natRange(layout.base !== undefined),
        store: natStore(layout),
        required: true,
      },
      random: random(layout),
      persistent: persistent(layout),
    },
  });
}

function MASQUERADE(families: readonly Family[], layout: NatLayout) {
  return target<MasqueradeTarget>({
    name: 'MASQUERADE',
    ...shared(0, families, layout),
    fields: {
      toPorts: toPorts(layout),
      random: random(layout),
      randomFully: randomFully(layout),
    },
  });
}

function REDIRECT(families: readonly Family[], layout: NatLayout) {
  return target<RedirectTarget>({
    name: 'REDIRECT',
    ...shared(0, families, layout),
    fields: { toPorts: toPorts(layout), random: random(layout) },
  });
}

export const NAT = [
  SNAT(0, ipv4, multiRange),
  SNAT(1, ipv6, natRange1),
  DNAT(0, ipv4, multiRange),
  DNAT(1, both, natRange1),
  DNAT(2, both, natRange2),
  MASQUERADE(ipv4, multiRange),
  MASQUERADE(ipv6, natRange1),
  REDIRECT(ipv4, multiRange),
  REDIRECT(ipv6, natRange1),
] as const;
