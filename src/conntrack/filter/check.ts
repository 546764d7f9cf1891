// The checks of a FlowFilter, and its form after them.
import {
  type Fields,
  familyAt,
  fieldsAt,
  listAt,
  oneOf,
  oneOrMoreAt,
  protocolAt,
  statusAt,
  stringAt,
  u8At,
  u16At,
  u32At,
} from '../../checks.js';
import { stateAliases, statesByName, statusOf } from '../../constants.js';
import { badRange } from '../../errors.js';
import { addressesAt } from './address-set.js';
import { refuseConflicts } from './conflicts.js';
import { labelsAt } from './label-set.js';
import { portsAt } from './port-set.js';
import { refuseImpossible } from './possible.js';
import { type CheckedFilter, natKinds } from './types.js';

const sideFields = new Set([
  'src',
  'dst',
  'srcPort',
  'dstPort',
  'icmpType',
  'icmpCode',
  'icmpId',
  'zone',
]);
const shorthand = ['src', 'dst', 'srcPort', 'dstPort'] as const;
const filterFields = new Set([
  ...['family', 'protocol', 'orig', 'reply', ...shorthand],
  ...['mark', 'status', 'state', 'zone', 'label', 'helper', 'nat', 'host', 'port', 'any', 'not'],
]);
const markFields = new Set(['value', 'mask']);
const statusFields = new Set<string>(['all', 'any', 'none']);
function checkSide(value: Fields, path: string, reply: boolean, out: CheckedFilter): void {
  const base = reply ? 2 : 0;
  if (value.src !== undefined) out.addresses[base] = addressesAt(value.src, `${path}.src`);
  if (value.dst !== undefined) out.addresses[base + 1] = addressesAt(value.dst, `${path}.dst`);
  if (value.srcPort !== undefined) out.ports[base] = portsAt(value.srcPort, `${path}.srcPort`);
  if (value.dstPort !== undefined) out.ports[base + 1] = portsAt(value.dstPort, `${path}.dstPort`);
  const icmp = out.icmp[reply ? 1 : 0]!;
  if (value.icmpType !== undefined) icmp.type = u8At(value.icmpType, `${path}.icmpType`);
  if (value.icmpCode !== undefined) icmp.code = u8At(value.icmpCode, `${path}.icmpCode`);
  if (value.icmpId !== undefined) icmp.id = u16At(value.icmpId, `${path}.icmpId`);
  if (value.zone !== undefined) out.tupleZones[reply ? 1 : 0] = u16At(value.zone, `${path}.zone`);
}

function checkMark(given: unknown, path: string): { value: number; mask: number } {
  // u32At refuses what is neither a number nor an object.
  if (typeof given !== 'object' || given === null) {
    return { value: u32At(given, path), mask: 0xffffffff };
  }
  const fields = fieldsAt(given, path, markFields);
  const mask = u32At(fields.mask, `${path}.mask`);
  // A mask of 0 compares nothing: for the kernel it would mean every flow.
  if (mask === 0) throw badRange(`${path}.mask`, 'a mask that is not 0', mask);
  const value = u32At(fields.value, `${path}.value`);
  if ((value & ~mask) !== 0) {
    throw new RangeError(
      `${path}.value: 0x${value.toString(16)} has bits outside ${path}.mask, 0x${mask.toString(16)}: nothing could match`,
    );
  }
  return { value, mask };
}

const statusKinds = ['all', 'any', 'none'] as const;

function checkStatus(value: unknown, path: string): { all: number; any: number; none: number } {
  const result = { all: 0, any: 0, none: 0 };
  const nothing = (at: string) => badRange(at, 'at least one status bit', 'none');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    result.all = statusAt(value, path);
    if (result.all === 0) throw nothing(path);
    return result;
  }
  const fields = fieldsAt(value, path, statusFields, 'a status, an array of them or an object');
  for (const key of statusKinds) {
    if (fields[key] !== undefined) result[key] = statusAt(fields[key], `${path}.${key}`);
  }
  const { all, any, none } = result;
  if (all + any + none === 0) throw nothing(path);
  for (const key of statusKinds) {
    if (fields[key] !== undefined && result[key] === 0) throw nothing(`${path}.${key}`);
  }
  const never = (key: string, common: number) =>
    new RangeError(
      `${path}.${key}: ${statusOf(common).join(', ')} is in ${path}.none too: nothing could match`,
    );
  if ((all & none) !== 0) throw never('all', all & none);
  if (any !== 0 && (any & ~none) === 0) throw never('any', any);
  return result;
}

function checkStates(value: unknown, path: string): { tcp: number; sctp: number; dccp: number } {
  const result = { tcp: 0, sctp: 0, dccp: 0 };
  const { list, many } = oneOrMoreAt(value, path);
  if (list.length === 0) throw badRange(path, 'at least one state', 'none');
  list.forEach((given, i) => {
    const name = stateAliases.get(given) ?? given;
    const masks = statesByName.get(name as string);
    if (masks === undefined) {
      oneOf(name, many ? `${path}[${i}]` : path, [...statesByName.keys()]); // throws
      return;
    }
    result.tcp |= masks.tcp;
    result.sctp |= masks.sctp;
    result.dccp |= masks.dccp;
  });
  return result;
}

function protocolsAt(value: unknown, path: string): number[] {
  const { list, many } = oneOrMoreAt(value, path);
  if (list.length === 0) throw badRange(path, 'at least one protocol', 'none');
  return [...new Set(list.map((one, i) => protocolAt(one, many ? () => `${path}[${i}]` : path)))];
}

/** How many filters may be in each other, and how many a filter may have in all. Native code has the first limit too. */
const deepest = 16;
const mostFilters = 65_536;

interface Nesting {
  depth: number;
  /** Of all filters within the outermost one. */
  count: number;
}

/** A filter in another one. It has a condition. */
function innerFilter(value: unknown, path: string, nesting: Nesting): CheckedFilter {
  if (nesting.depth === deepest) {
    throw new RangeError(`${path}: more than ${deepest} filters are in each other here`);
  }
  if (++nesting.count > mostFilters) {
    throw new RangeError(`${path}: there are more than ${mostFilters} filters in the filter`);
  }
  nesting.depth++;
  const inner = checkFields(value, path, nesting);
  nesting.depth--;
  if (inner.empty) {
    throw new TypeError(`${path}: is empty and would match every flow; leave it out`);
  }
  return inner;
}

function checkInner(fields: Fields, path: string, nesting: Nesting, out: CheckedFilter): void {
  if (fields.any !== undefined) {
    const list = listAt(fields.any, `${path}.any`, 'an array of filters');
    if (list.length === 0) throw badRange(`${path}.any`, 'at least one filter', 'none');
    out.any = list.map((one, i) => innerFilter(one, `${path}.any[${i}]`, nesting));
  }
  if (fields.not !== undefined) out.not = innerFilter(fields.not, `${path}.not`, nesting);
}

/** What all filters of `any` have in common holds for the whole filter. The kernel can test it. */
function takeOverCommon(out: CheckedFilter): void {
  const { any } = out;
  if (any === undefined) return;
  const { family } = any[0]!;
  if (family !== undefined && any.every((inner) => inner.family === family)) {
    out.family ??= family;
  }
  if (any.every(({ protocols }) => protocols !== undefined)) {
    out.protocols ??= [...new Set(any.flatMap(({ protocols }) => protocols!))];
  }
}

/** Checks a filter; a TypeError or RangeError names the field that is wrong. */
export function checkFilter(filter: unknown, path = 'filter'): CheckedFilter {
  return filter === undefined ? emptyFilter() : checkFields(filter, path, { depth: 0, count: 0 });
}

function emptyFilter(): CheckedFilter {
  return {
    addresses: [undefined, undefined, undefined, undefined],
    ports: [undefined, undefined, undefined, undefined],
    icmp: [{}, {}],
    tupleZones: [undefined, undefined],
    empty: true,
  };
}

function checkFields(filter: unknown, path: string, nesting: Nesting): CheckedFilter {
  const out = emptyFilter();
  const fields = fieldsAt(filter, path, filterFields);
  if (fields.family !== undefined)
    out.family = familyAt(fields.family, `${path}.family`) === 'ipv4' ? 2 : 10;
  if (fields.protocol !== undefined) {
    out.protocols = protocolsAt(fields.protocol, `${path}.protocol`);
  }
  const short: Fields = {};
  for (const key of shorthand) if (fields[key] !== undefined) short[key] = fields[key];
  for (const direction of ['orig', 'reply'] as const) {
    if (fields[direction] === undefined) continue;
    const at = `${path}.${direction}`;
    const side = fieldsAt(fields[direction], at, sideFields);
    const twice = shorthand.find((key) => direction === 'orig' && key in side && key in short);
    if (twice !== undefined) {
      throw new TypeError(
        `${path}.${twice}: is short for ${path}.orig.${twice}, which is given as well`,
      );
    }
    checkSide(side, at, direction === 'reply', out);
  }
  checkSide(short, path, false, out);
  if (fields.mark !== undefined) out.mark = checkMark(fields.mark, `${path}.mark`);
  if (fields.status !== undefined) out.status = checkStatus(fields.status, `${path}.status`);
  if (fields.state !== undefined) out.states = checkStates(fields.state, `${path}.state`);
  if (fields.zone !== undefined) out.zone = u16At(fields.zone, `${path}.zone`);
  if (fields.label !== undefined) out.label = labelsAt(fields.label, `${path}.label`);
  if (fields.helper !== undefined) {
    out.helper = stringAt(fields.helper, `${path}.helper`, 63);
    if (out.helper === '') throw badRange(`${path}.helper`, 'the name of a helper', '');
  }
  if (fields.nat !== undefined) out.nat = oneOf(fields.nat, `${path}.nat`, natKinds);
  if (fields.host !== undefined) out.host = addressesAt(fields.host, `${path}.host`);
  if (fields.port !== undefined) out.port = portsAt(fields.port, `${path}.port`);
  checkInner(fields, path, nesting, out);
  refuseConflicts(out, path, (name) => name in short);
  refuseImpossible(out, path);
  takeOverCommon(out);
  out.empty = isEmpty(out);
  return out;
}

function isEmpty(out: CheckedFilter): boolean {
  const { addresses, ports, icmp, tupleZones, empty, ...rest } = out;
  const sides = [...addresses, ...ports, ...tupleZones].some((part) => part !== undefined);
  return (
    !sides && icmp.every((part) => Object.keys(part).length === 0) && Object.keys(rest).length === 0
  );
}
