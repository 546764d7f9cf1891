// The public surface of the package: re-exports, no logic. Importing it loads no library and no addon.

import './globals.js';

export type { Aggregate, Group } from './conntrack/aggregate/aggregate.js';
export type { GroupKey } from './conntrack/aggregate/keys.js';
export type { Measure } from './conntrack/aggregate/numbers.js';
export type { ArrowTable } from './conntrack/batch/arrow.js';
export { type Columns, FlowBatch } from './conntrack/batch/flow-batch.js';
export type { BatchStats, KernelFilterPart } from './conntrack/batch/stats.js';
export { has as presenceBits } from './conntrack/columns/schema.js';
export { Conntrack, conntrack, type OpenOptions } from './conntrack/conntrack.js';
export type { DumpOptions } from './conntrack/dump/options.js';
export {
  type ConntrackEvent,
  EventBatch,
  type EventType,
  eventTypeNames,
  FlowEvent,
  type Overrun,
} from './conntrack/events/event-batch.js';
export type { EventStats } from './conntrack/events/event-stats.js';
export { type EventOptions, EventStream } from './conntrack/events/event-stream.js';
export type { StreamOptions } from './conntrack/events/options.js';
export type { StreamCloseOptions } from './conntrack/events/stream-handle.js';
export type {
  Expectation,
  ExpectationFlag,
  ExpectationMaster,
  ExpectationTuple,
} from './conntrack/expectations/expectation.js';
export type {
  ExpectationChange,
  ExpectationEvent,
  ExpectationEventOptions,
  ExpectationStream,
} from './conntrack/expectations/expectation-stream.js';
export type { Expectations } from './conntrack/expectations/expectations.js';
export type { ExpectationInit, ExpectationTupleInit } from './conntrack/expectations/init.js';
export type { PortRange, Ports } from './conntrack/filter/port-set.js';
export type { Addresses, FlowFilter, SideFilter } from './conntrack/filter/types.js';
export type {
  Endpoint,
  FlowDccp,
  FlowMaster,
  FlowObject,
  FlowSctp,
  FlowSide,
  FlowTcp,
  SeqAdj,
  Synproxy,
} from './conntrack/flow/fields.js';
export { Flow } from './conntrack/flow/flow.js';
export { type NamespaceInfo, namespaces } from './conntrack/host/namespaces.js';
export type {
  ConntrackSettings,
  ConntrackTimeouts,
  DeepPartial,
} from './conntrack/host/settings.js';
export type { ConntrackCounters, ConntrackStats } from './conntrack/host/statistics.js';
export { type LibrarySupport, type Support, support } from './conntrack/host/support.js';
export type {
  HookState,
  NatState,
  NetfilterHooks,
  TrackingState,
} from './conntrack/host/tracking.js';
export type { TupleInit, TupleSideInit } from './conntrack/lookup/tuple.js';
export type { BulkOptions, BulkProgress, DeleteOptions } from './conntrack/write/bulk.js';
export type { FlowChange } from './conntrack/write/change.js';
export type {
  CreateError,
  CreateManyOptions,
  CreateProgress,
  CreateResult,
} from './conntrack/write/create-many.js';
export type { FlowInit } from './conntrack/write/init.js';
export type { FlowWritable } from './conntrack/write/writable.js';
export type { Family, Protocol, ProtocolName, StatusName } from './constants.js';
export {
  ClosedError,
  LibraryError,
  NetfilterError,
  NetlinkError,
  TableError,
  type TableErrorCode,
  UnsupportedError,
  XtablesError,
  XtablesLockError,
} from './errors.js';
export type { Backend, BackendReport } from './iptables/backend.js';
export { type ParseSaveOptions, parseSave } from './iptables/edit/parse-save.js';
export type { RestoreOptions } from './iptables/edit/restore.js';
export type { TableEdit } from './iptables/edit/table-edit.js';
export { Iptables, ip6tables, iptables } from './iptables/iptables.js';
export type {
  EditOptions,
  IptablesOptions,
  LockWait,
  SaveOptions,
} from './iptables/options.js';
export {
  type Counters,
  type Match,
  type Not,
  Rule,
  type RuleInit,
  type Target,
  type UnknownExtension,
} from './iptables/rule/rule.js';
export {
  formatRule,
  type ParseOptions,
  parseRule,
  parseRules,
  sameRule,
} from './iptables/rule/text.js';
export { type FormatSaveOptions, formatSave } from './iptables/table/save.js';
export type { Chain, Policy, Table, TableName } from './iptables/table/table.js';
export type { RuleHits, WatchOptions } from './iptables/table/watch.js';
