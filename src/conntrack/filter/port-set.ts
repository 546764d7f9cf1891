// The ports of a filter: a number, a range, or a list of both. Their type, their check and their plain form: sorted
// ranges that neither touch nor overlap.
import { fieldsAt, oneOrMoreAt, type Path, pathText, u16At } from '../../checks.js';
import { badRange } from '../../errors.js';

/** From one port to another, both included. */
export interface PortRange {
  /** The first port, 0 to 65535. */
  from: number;
  /** The last port; not below `from`. */
  to: number;
}

/** A port, a range, or a list of ports and ranges: `[80, 443]` is two ports, `{ from: 80, to: 443 }` is 364. */
export type Ports = number | PortRange | readonly (number | PortRange)[];

/** Ascending ranges: `[from, to, from, to, …]`. */
export type PortSet = readonly number[];

const rangeFields = new Set(['from', 'to']);

function rangeAt(value: unknown, path: Path): [from: number, to: number] {
  if (typeof value !== 'object' || value === null) {
    const at = typeof value === 'number' && (value & 0xffff) === value ? '' : pathText(path);
    const port = u16At(value, at);
    return [port, port];
  }
  const { from, to } = fieldsAt(value, path, rangeFields, 'a port or { from, to }');
  const least = u16At(from, pathText(path, '.from'));
  const most = u16At(to, pathText(path, '.to'));
  if (least > most) {
    throw badRange(pathText(path, '.from'), `a port that is not above to (${most})`, least);
  }
  return [least, most];
}

/** Checks the ports of a filter. */
export function portsAt(value: unknown, path: string): PortSet {
  const { list, many } = oneOrMoreAt(value, path);
  if (list.length === 0) throw badRange(path, 'at least one port', 'none');
  const at = (i: number) => rangeAt(list[i], many ? () => `${path}[${i}]` : path);
  if (list.length === 1) return at(0);
  return list.length > fewRanges ? counted(list.length, at) : merged(list.map((_, i) => at(i)));
}

/** So many ranges are sorted. More are counted by port: a list may have millions of ranges that overlap. */
const fewRanges = 1000;

function merged(ranges: [from: number, to: number][]): PortSet {
  ranges.sort(([a], [b]) => a - b);
  const set: number[] = [];
  for (const [from, to] of ranges) {
    const last = set.length - 1;
    if (set.length > 0 && from <= set[last]! + 1) set[last] = Math.max(set[last]!, to);
    else set.push(from, to);
  }
  return set;
}

function counted(count: number, at: (i: number) => [from: number, to: number]): PortSet {
  // By how much the number of ranges changes at each port.
  const steps = new Int32Array(0x10001);
  for (let i = 0; i < count; i++) {
    const [from, to] = at(i);
    steps[from]!++;
    steps[to + 1]!--;
  }
  const set: number[] = [];
  let depth = 0;
  for (let port = 0; port <= 0x10000; port++) {
    const before = depth;
    depth += steps[port]!;
    if (before === 0 && depth > 0) set.push(port);
    if (before > 0 && depth === 0) set.push(port - 1);
  }
  return set;
}
