// Target CLASSIFY: the class of a packet for traffic control (struct xt_classify_target_info).

import { badRange, badType } from '../../errors.js';
import { refusedType } from '../text/refused.js';
import type { Known } from './define.js';
import { both, target } from './define.js';
import { integer } from './number-values.js';
import { mapped, u32 } from './stores.js';

/** A class as tc names it; both parts are hexadecimal in text (`1:10` is major 1, minor 16). */
export interface TcClass {
  /** 0…65535. */
  readonly major: number;
  /** 0…65535. */
  readonly minor: number;
}

/** Only in FORWARD, OUTPUT and POSTROUTING. */
export interface ClassifyTarget extends Known {
  readonly name: 'CLASSIFY';
  /** The packet's priority: major << 16 | minor. */
  readonly setClass: TcClass;
}

const hex4 = (value: number) => value.toString(16).padStart(4, '0');

export const CLASSIFY = target<ClassifyTarget>({
  name: 'CLASSIFY',
  revision: 0,
  families: both,
  size: 8,
  fields: {
    setClass: {
      options: ['set-class'],
      required: true,
      type: {
        arity: 1,
        check(value, at) {
          if (typeof value !== 'object' || value === null) {
            throw badType(at.path, '{ major, minor }', value);
          }
          for (const key of Object.keys(value)) {
            if (key !== 'major' && key !== 'minor') {
              throw refusedType(`${at.path}.${key}`, 'no such field; its fields: major, minor');
            }
          }
          const part = (key: keyof TcClass) =>
            integer((value as TcClass)[key], { ...at, path: `${at.path}.${key}` }, 0, 0xffff);
          return { major: part('major'), minor: part('minor') };
        },
        parse(text, at) {
          const found = /^(?:0x)?([0-9a-f]+):(?:0x)?([0-9a-f]+)$/i.exec(text);
          const [major, minor] = [found?.[1], found?.[2]].map((part) =>
            Number.parseInt(part ?? '', 16),
          ) as [number, number];
          // iptables 1.8.9 keeps 16 bits of larger numbers and whatever follows.
          if (!(major <= 0xffff && minor <= 0xffff)) {
            throw badRange(at.path, 'MAJOR:MINOR, hexadecimal, 0…ffff each', text);
          }
          return { major, minor };
        },
        print: ({ major, minor }) => `${hex4(major)}:${hex4(minor)}`,
      },
      store: mapped(
        u32(0),
        (priority) => ({ major: priority >>> 16, minor: priority & 0xffff }),
        ({ major, minor }) => ((major << 16) | minor) >>> 0,
      ),
    },
  },
});
