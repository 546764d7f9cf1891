// The public surface of the package: re-exports, no logic. Importing it loads no library and no addon.

export type { Aggregate, Group, GroupKey, Measure } from './conntrack/aggregate/aggregate.js';
export type { ArrowTable } from './conntrack/batch/arrow.js';
export {
  type BatchStats,
  type Columns,
  FlowBatch,
  type KernelFilterPart,
} from './conntrack/batch/flow-batch.js';
export { has } from './conntrack/columns/schema.js';
export {
  type BulkOptions,
  type BulkProgress,
  Conntrack,
  type CreateError,
  type CreateManyOptions,
  type CreateProgress,
  type CreateResult,
  conntrack,
  type DeleteOptions,
  type DumpOptions,
  type OpenOptions,
} from './conntrack/conntrack.js';
export {
  type ConntrackEvent,
  EventBatch,
  type EventType,
  eventTypes,
  FlowEvent,
  type Overrun,
} from './conntrack/events/event-batch.js';
export type { EventStats } from './conntrack/events/event-source.js';
export {
  type EventOptions,
  EventStream,
  type StreamOptions,
} from './conntrack/events/event-stream.js';
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
  Expectations,
} from './conntrack/expectations/expectations.js';
export type { ExpectationInit, ExpectationTupleInit } from './conntrack/expectations/init.js';
export type { Addresses, FlowFilter, SideFilter } from './conntrack/filter/check.js';
export type { PortRange, Ports } from './conntrack/filter/port-set.js';
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
export type { TupleInit, TupleSideInit } from './conntrack/lookup/tuple-packer.js';
export type { FlowChange, FlowInit, FlowWritable } from './conntrack/write/init.js';
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
export {
  type EditOptions,
  Iptables,
  type IptablesOptions,
  ip6tables,
  iptables,
  type LockWait,
  type SaveOptions,
} from './iptables/iptables.js';
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
