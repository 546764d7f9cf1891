// Target SET: adds the packet's addresses and ports to sets (ipset), removes them, or copies marks from an entry
// (struct xt_set_info_target_v0 … v3).
import { refused } from '../text/refused.js';
import type { Draft, Known, Place, Store } from './define.js';
import { both, ipv4, target } from './define.js';
import { given, number } from './number-values.js';
import type { SetReference } from './set-reference.js';
import { noSet, setReference, setStore, setStore0 } from './set-reference.js';
import { flagBit, u16, u32 } from './stores.js';

/** At least one of `addSet`, `delSet` and `mapSet`. Needs `sets`: the names of the kernel's sets. */
export interface SetTarget extends Known {
  readonly name: 'SET';
  /** Adds an entry. */
  readonly addSet?: SetReference;
  /** With `addSet`: an entry that exists already starts its timeout again. Revision 2. */
  readonly exist?: true;
  /** With `addSet`: seconds, 0…4294967294 (0: it never ends); the timeout of the set unless given. Revision 2. */
  readonly timeout?: number;
  /** Removes an entry. */
  readonly delSet?: SetReference;
  /**
   * Looks up an entry of a set with `skbinfo`, and gives the packet its values; needs one of the three fields below.
   * Revision 3, table mangle.
   */
  readonly mapSet?: SetReference;
  /** The packet's mark. */
  readonly mapMark?: true;
  /** Its priority (see CLASSIFY). Only in FORWARD, OUTPUT and POSTROUTING. */
  readonly mapPrio?: true;
  /** Its transmit queue. Only in FORWARD, OUTPUT and POSTROUTING. */
  readonly mapQueue?: true;
}

/** IPSET_FLAG_EXIST, IPSET_FLAG_MAP_SKBMARK, _SKBPRIO, _SKBQUEUE. */
const flag = { exist: 1, mapMark: 0x100, mapPrio: 0x200, mapQueue: 0x400 } as const;
/** No timeout. */
const setsOwn = 0xffffffff;

const absent = { read: () => undefined, write: () => void 0 };

interface Layout {
  readonly size: number;
  readonly add: Store<SetReference>;
  readonly del: Store<SetReference>;
  readonly map?: Store<SetReference>;
  /** The offsets of the indexes, to mark empty slots. */
  readonly indexes: readonly number[];
  readonly flags?: number;
  readonly timeout?: number;
}

const layouts: Readonly<Record<0 | 1 | 2 | 3, Layout>> = {
  0: { size: 64, add: setStore0(0), del: setStore0(32), indexes: [0, 32] },
  1: { size: 8, add: setStore(0), del: setStore(4), indexes: [0, 4] },
  2: { size: 16, add: setStore(0), del: setStore(4), indexes: [0, 4], flags: 8, timeout: 12 },
  3: {
    size: 24,
    add: setStore(0),
    del: setStore(4),
    map: setStore(8),
    indexes: [0, 4, 8],
    flags: 12,
    timeout: 16,
  },
};

function check(revision: number, value: Draft<SetTarget>, at: Place): void {
  const said = (field: keyof SetTarget) => value[field] !== undefined;
  if (!said('addSet') && !said('delSet') && !said('mapSet')) {
    throw refused(at.path, 'needs addSet, delSet or mapSet');
  }
  const maps = said('mapMark') || said('mapPrio') || said('mapQueue');
  if (said('mapSet') && !maps) {
    throw refused(at.path, 'mapSet needs mapMark, mapPrio or mapQueue');
  }
  if (revision < 3 && said('mapSet')) throw refused(at.path, 'mapSet needs revision 3');
  if (revision < 2 && (said('exist') || said('timeout'))) {
    throw refused(at.path, 'exist and timeout need revision 2');
  }
}

function SET(revision: 0 | 1 | 2 | 3) {
  const layout = layouts[revision];
  const type = setReference(revision === 0 ? 5 : 6);
  const option = (least: number, name: string) => (revision >= least ? { options: [name] } : {});
  const flagStore = (mask: number) =>
    layout.flags === undefined ? absent : flagBit(layout.flags, mask, 32);
  const timeout = layout.timeout === undefined ? undefined : u32(layout.timeout);
  return target<SetTarget>({
    name: 'SET',
    revision,
    families: revision === 0 ? ipv4 : both,
    size: layout.size,
    namesSets: true,
    always(payload, cx) {
      for (const at of layout.indexes) u16(at).write(payload, noSet, cx);
      timeout?.write(payload, setsOwn, cx);
    },
    fields: {
      addSet: { options: ['add-set'], type, store: layout.add },
      exist: {
        ...option(2, 'exist'),
        type: given,
        store: flagStore(flag.exist),
        requires: ['addSet'],
      },
      timeout: {
        ...option(2, 'timeout'),
        type: number(setsOwn - 1),
        store:
          timeout === undefined
            ? absent
            : {
                read(payload, cx) {
                  const seconds = timeout.read(payload, cx)!;
                  return seconds === setsOwn ? undefined : seconds;
                },
                write: timeout.write,
              },
        requires: ['addSet'],
      },
      delSet: { options: ['del-set'], type, store: layout.del },
      mapSet: { ...option(3, 'map-set'), type, store: layout.map ?? absent },
      mapMark: {
        ...option(3, 'map-mark'),
        type: given,
        store: flagStore(flag.mapMark),
        requires: ['mapSet'],
      },
      mapPrio: {
        ...option(3, 'map-prio'),
        type: given,
        store: flagStore(flag.mapPrio),
        requires: ['mapSet'],
      },
      mapQueue: {
        ...option(3, 'map-queue'),
        type: given,
        store: flagStore(flag.mapQueue),
        requires: ['mapSet'],
      },
    },
    check: (value, at) => check(revision, value as Draft<SetTarget>, at),
  });
}

export const SET0 = SET(0);
export const SET1 = SET(1);
export const SET2 = SET(2);
export const SET3 = SET(3);
