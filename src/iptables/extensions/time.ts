// Match time: when a packet arrives (struct xt_time_info).

import { badRange, badType } from '../../errors.js';
import { refused } from '../text/refused.js';
import type { Known, Place, Store, ValueType } from './define.js';
import { both, match } from './define.js';
import { given, integer } from './number-values.js';
import { bitNames, flagBit, mapped, u8, u32 } from './stores.js';
import { namesOf } from './text-values.js';

export type Weekday = keyof typeof weekdays;

/** All given fields must hold. */
export interface TimeMatch extends Known {
  readonly name: 'time';
  /** From `hh:mm[:ss]` on; 00:00:00 unless given. */
  readonly timeStart?: string;
  /** Until `hh:mm[:ss]`; 23:59:59 unless given. If it is before `timeStart`, the time goes across midnight. */
  readonly timeStop?: string;
  /** Days of the month, 1…31; all unless given. */
  readonly monthdays?: readonly number[];
  /** Days of the week; all unless given. */
  readonly weekdays?: readonly Weekday[];
  /** From `YYYY[-MM[-DD[Thh[:mm[:ss]]]]]` on. */
  readonly dateStart?: string;
  /** Until then. Unless given, iptables writes 2038-01-19T03:14:07: after that the rule does not match. */
  readonly dateStop?: string;
  /** In the time zone of the kernel (set at boot) instead of UTC. The kernel does not know daylight saving. */
  readonly kerneltz?: true;
  /**
   * A time that crosses midnight belongs to the day on which it began. Without this, each part belongs to its own
   * day.
   */
  readonly contiguous?: true;
}

const weekdays = { Mon: 2, Tue: 4, Wed: 8, Thu: 0x10, Fri: 0x20, Sat: 0x40, Sun: 0x80 } as const;
const weekdayNames = Object.keys(weekdays) as Weekday[];
const longNames = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const allMonthdays = Array.from({ length: 31 }, (_, index) => index + 1);

const two = (value: number) => String(value).padStart(2, '0');
const lastSecond = 86399;

function readClock(text: string): number | undefined {
  const found = /^(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?$/.exec(text);
  if (found === null) return undefined;
  const [hours, minutes, seconds] = [found[1], found[2], found[3] ?? 0].map(Number);
  if (hours! > 23 || minutes! > 59 || seconds! > 59) return undefined;
  return hours! * 3600 + minutes! * 60 + seconds!;
}

const formatClock = (value: number) =>
  `${two(Math.floor(value / 3600))}:${two(Math.floor(value / 60) % 60)}:${two(value % 60)}`;

/** Seconds since 1970 in UTC, in the kernel's 32 bits. */
function readDate(text: string): number | undefined {
  const found =
    /^(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:T(\d{1,2})(?::(\d{1,2})(?::(\d{1,2}))?)?)?)?)?$/.exec(
      text,
    );
  if (found === null) return undefined;
  const part = (index: number, missing: number) => Number(found[index] ?? missing);
  const [year, month, day] = [part(1, 0), part(2, 1), part(3, 1)];
  const [hours, minutes, seconds] = [part(4, 0), part(5, 0), part(6, 0)];
  if (year < 1970 || year > 2038 || hours > 23 || minutes > 59 || seconds > 59) return undefined;
  const date = new Date(Date.UTC(year, month - 1, day, hours, minutes, seconds));
  // Refuses a day that does not exist. iptables reads 30 February as 1 March.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return date.getTime() / 1000;
}

const formatDate = (value: number) => new Date(value * 1000).toISOString().slice(0, 19);

function textual(
  what: string,
  read: (text: string) => number | undefined,
  format: (value: number) => string,
): ValueType<string> {
  return {
    arity: 1,
    check(value, at) {
      if (typeof value !== 'string') throw badType(at.path, 'a string', value);
      const number = read(value);
      if (number === undefined) throw badRange(at.path, what, value);
      return format(number);
    },
    parse(text, at) {
      return this.check(text, at);
    },
    print: (value) => value,
  };
}

const clock = textual('a time hh:mm[:ss]', readClock, formatClock);
const date = textual(
  'a date YYYY[-MM[-DD[Thh[:mm[:ss]]]]] from 1970 to 2038',
  readDate,
  formatDate,
);

const clockStore = (at: number): Store<string> =>
  mapped(
    u32(at),
    (value) => (value > lastSecond ? undefined : formatClock(value)),
    (text) => readClock(text)!,
  );
const dateStore = (at: number): Store<string> =>
  mapped(u32(at), formatDate, (text) => readDate(text)!);

/** The parts of a list. It may end with a comma. */
const parts = (text: string) => text.replace(/,$/, '').split(',');

function readMonthdays(text: string, at: Place): number[] {
  const numbers = parts(text).map((part) => (/^\d+$/.test(part) ? Number(part) : 0));
  return checkMonthdays(numbers, text, at);
}

function checkMonthdays(days: readonly number[], given: unknown, at: Place): number[] {
  const chosen = allMonthdays.filter((day) => days.includes(day));
  if (days.length === 0 || days.some((day) => !allMonthdays.includes(day))) {
    throw badRange(at.path, 'days of the month, 1…31', given);
  }
  return chosen;
}

const monthdaysType: ValueType<readonly number[]> = {
  arity: 1,
  check(value, at) {
    if (!Array.isArray(value)) throw badType(at.path, 'an array of days', value);
    const days = value.map((day, index) =>
      integer(day, { ...at, path: `${at.path}[${index}]` }, 1, 31),
    );
    return checkMonthdays(days, value, at);
  },
  parse: readMonthdays,
  print: (days) => days.join(','),
};

const monthdaysStore: Store<readonly number[]> = {
  read(payload, cx) {
    const bits = u32(16).read(payload, cx)!;
    const days = allMonthdays.filter((day) => bits & (1 << day));
    // Without any day the rule never matches. It stays raw.
    return days.length === 0 ? undefined : days;
  },
  write(payload, days, cx) {
    const bits = days.reduce((sum, day) => sum | (1 << day), 0);
    u32(16).write(payload, bits >>> 0, cx);
  },
};

const weekdayList = namesOf(weekdayNames);
const weekdaysType: ValueType<readonly Weekday[]> = {
  ...weekdayList,
  // Reads numbers (1 is Monday), and English names or at least their first two letters.
  parse(text, at) {
    const chosen = parts(text).map((part) => {
      const index = /^[1-7]$/.test(part)
        ? Number(part) - 1
        : longNames.findIndex((name) => part.length > 1 && name.startsWith(part));
      const day = weekdayNames[index];
      if (day === undefined) throw badRange(at.path, 'days like Mon,Tue or 1,2', text);
      return day;
    });
    return weekdayList.check(chosen, at);
  },
};

const weekdaysStore: Store<readonly Weekday[]> = mapped(
  bitNames(u8(20), weekdays),
  (days) => (days.length === 0 ? undefined : days),
  (days) => days,
);

/** `! --monthdays`, `! --weekdays`: the payload has only the days that match. */
function without<T>(all: readonly T[], days: readonly T[], at: Place): T[] {
  const rest = all.filter((day) => !days.includes(day));
  if (rest.length === 0) throw refused(at.path, 'no day is left');
  return rest;
}

export const time = match<TimeMatch>({
  name: 'time',
  revision: 0,
  families: both,
  size: 24,
  fields: {
    timeStart: {
      options: ['timestart'],
      type: clock,
      store: clockStore(8),
      default: '00:00:00',
    },
    timeStop: {
      options: ['timestop'],
      type: clock,
      store: clockStore(12),
      default: formatClock(lastSecond),
    },
    monthdays: {
      type: monthdaysType,
      store: monthdaysStore,
      default: allMonthdays,
    },
    weekdays: { type: weekdaysType, store: weekdaysStore, default: weekdayNames },
    dateStart: {
      options: ['datestart'],
      type: date,
      store: dateStore(0),
      default: formatDate(0),
    },
    dateStop: {
      options: ['datestop'],
      type: date,
      store: dateStore(4),
      default: formatDate(0x7fffffff),
      shown: true,
    },
    kerneltz: { options: ['kerneltz'], type: given, store: flagBit(21, 1) },
    contiguous: { options: ['contiguous'], type: given, store: flagBit(21, 2) },
  },
  spellings: [
    {
      option: 'monthdays',
      invertible: true,
      parse(text, at, draft) {
        const days = readMonthdays(text, at);
        draft.monthdays = at.inverted ? without(allMonthdays, days, at) : days;
      },
    },
    {
      option: 'weekdays',
      invertible: true,
      parse(text, at, draft) {
        const days = weekdaysType.parse(text, at);
        draft.weekdays = at.inverted ? without(weekdayNames, days, at) : days;
      },
    },
    {
      // An old name. iptables takes it with a warning.
      option: 'localtz',
      arity: 0,
      excludes: ['utc'],
      parse(_, __, draft) {
        draft.kerneltz = true;
      },
    },
    { option: 'utc', arity: 0, excludes: ['kerneltz'], parse: () => undefined },
  ],
  check(value, at) {
    const start = readClock(value.timeStart ?? '00:00:00')!;
    const stop = readClock(value.timeStop ?? formatClock(lastSecond))!;
    if (value.contiguous && start < stop) {
      throw refused(at.path, 'contiguous is for a timeStop before timeStart');
    }
  },
  print(value) {
    const words: string[] = [];
    if ((value.timeStart ?? value.timeStop) !== undefined) {
      words.push(`--timestart ${value.timeStart ?? '00:00:00'}`);
      words.push(`--timestop ${value.timeStop ?? formatClock(lastSecond)}`);
    }
    if (value.monthdays !== undefined) words.push(`--monthdays ${value.monthdays.join(',')}`);
    if (value.weekdays !== undefined) words.push(`--weekdays ${value.weekdays.join(',')}`);
    if (value.dateStart !== undefined) words.push(`--datestart ${value.dateStart}`);
    // Also prints 1970-01-01, which iptables-save leaves out. Such a rule matches nothing.
    if (value.dateStop !== undefined) words.push(`--datestop ${value.dateStop}`);
    if (value.kerneltz) words.push('--kerneltz');
    if (value.contiguous) words.push('--contiguous');
    return words.map((word) => ` ${word}`).join('');
  },
});
