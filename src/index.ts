// The public surface of the package: re-exports, no logic. Importing it loads no library and no addon.

import './globals.js';

export type {
  Aggregate,
  AggregateValue,
  Group,
  Max,
  Min,
  Sum,
} from './conntrack/aggregate/aggregate.js';
export type { GroupKey, GroupKeyValues } from './conntrack/aggregate/keys.js';
export type { Measure, MeasureValues } from './conntrack/aggregate/numbers.js';
export type { ArrowColumn, ArrowTable } from './conntrack/batch/arrow.js';
export {
  type Columns,
  type PresenceBits,
  type PresenceMoreBits,
  presenceBits,
  presenceMoreBits,
} from './conntrack/batch/columns.js';
export { type DiffField, type DiffOptions, diffBits } from './conntrack/batch/diff.js';
export { ChangedFlows, FlowBatch, type FlowDiff } from './conntrack/batch/flow-batch.js';
export type { BatchStats, KernelFilterPart } from './conntrack/batch/stats.js';
export { Conntrack, conntrack, type OpenOptions } from './conntrack/conntrack.js';
export type { DumpBatchesOptions, DumpOptions } from './conntrack/dump/options.js';
export {
  type ConntrackEvent,
  EventBatch,
  type EventSample,
  type EventType,
  eventTypeNames,
  FlowEvent,
  type Overrun,
} from './conntrack/events/event-batch.js';
export type { EventStats } from './conntrack/events/event-stats.js';
export { type EventOptions, EventStream } from './conntrack/events/event-stream.js';
export type { QueueOptions, StreamOptions } from './conntrack/events/options.js';
export type { StreamCloseOptions, StreamHandle } from './conntrack/events/stream-handle.js';
export type {
  Expectation,
  ExpectationFlag,
  ExpectationMask,
  ExpectationMaster,
  ExpectationNat,
  ExpectationTuple,
} from './conntrack/expectations/expectation.js';
export type {
  ExpectationChange,
  ExpectationEvent,
  ExpectationEventOptions,
  ExpectationEventType,
  ExpectationStream,
} from './conntrack/expectations/expectation-stream.js';
export type {
  ExpectationFlushOptions,
  ExpectationListOptions,
  Expectations,
} from './conntrack/expectations/expectations.js';
export type {
  ExpectationInit,
  ExpectationTupleInit,
  ExpectedTupleInit,
} from './conntrack/expectations/init.js';
export type {
  CpuExpectationCounters,
  ExpectationCounters,
  ExpectationStats,
} from './conntrack/expectations/statistics.js';
export type { PortRange, Ports } from './conntrack/filter/port-set.js';
export type {
  Addresses,
  FlowFilter,
  LabelFilter,
  MaskedMark,
  SideFilter,
  StatusFilter,
} from './conntrack/filter/types.js';
export type {
  BothDirections,
  Endpoint,
  FlowDccp,
  FlowMaster,
  FlowNat,
  FlowObject,
  FlowSctp,
  FlowSeqAdj,
  FlowSide,
  FlowTcp,
  SeqAdj,
  Synproxy,
  UnknownAttribute,
} from './conntrack/flow/fields.js';
export { Flow } from './conntrack/flow/flow.js';
export { type NamespaceInfo, namespaces } from './conntrack/host/namespaces.js';
export type { RuntimeSupport } from './conntrack/host/runtime.js';
export type {
  ConntrackSettings,
  ConntrackTimeouts,
  DccpTimeouts,
  DeepPartial,
  ReplyTimeouts,
  SctpTimeouts,
  TcpSettings,
  TcpTimeouts,
} from './conntrack/host/settings.js';
export type {
  ConntrackCounters,
  ConntrackStats,
  CpuCounters,
} from './conntrack/host/statistics.js';
export {
  type ConntrackSupport,
  type KernelFeatures,
  type LibrarySupport,
  type PrivilegeSupport,
  type Support,
  support,
} from './conntrack/host/support.js';
export type {
  HookState,
  HookVerdict,
  NatState,
  NetfilterHooks,
  TrackingState,
} from './conntrack/host/tracking.js';
export type { FlowInit, NatInit } from './conntrack/input/init.js';
export type { FlowSample, FlowSampleSide } from './conntrack/input/sample.js';
export type { TcpChange, TcpFlagChange, TcpFlags, TcpInit } from './conntrack/input/tcp.js';
export type { ReplyZone, TupleInit, TupleSideInit } from './conntrack/input/tuple.js';
export type { FlowWritable } from './conntrack/input/writable.js';
export type { GetManyOptions } from './conntrack/lookup/lookups.js';
export type { BulkOptions, BulkProgress, DeleteOptions } from './conntrack/write/bulk.js';
export type { FlowChange, LabelChange } from './conntrack/write/change.js';
export type {
  DeleteManyOptions,
  DeleteManyResult,
  DeleteProgress,
  UpdateManyOptions,
  UpdateManyResult,
  UpdateProgress,
} from './conntrack/write/change-many.js';
export type {
  CreateManyOptions,
  CreateProgress,
  CreateResult,
  UpsertManyOptions,
  UpsertProgress,
  UpsertResult,
} from './conntrack/write/create-many.js';
export type {
  ManyError,
  ManyFailure,
  ManyOptions,
  ManyResult,
} from './conntrack/write/many.js';
export type {
  DccpState,
  Family,
  FlowState,
  Protocol,
  ProtocolName,
  SctpState,
  StateName,
  StatusName,
  TcpFlagName,
  TcpState,
  WantedState,
} from './constants.js';
export {
  ClosedError,
  LibraryError,
  NetfilterError,
  type NetfilterErrorOptions,
  NetlinkError,
  TableError,
  type TableErrorCode,
  UnsupportedError,
  XtablesError,
  XtablesLockError,
} from './errors.js';
export type { Backend, BackendReport } from './iptables/backend.js';
export { ChangeStream } from './iptables/change-stream.js';
export type { ChainEdit, ReplaceOptions } from './iptables/edit/chain-edit.js';
export type { DryRun, TablePreview, TablesDryRun } from './iptables/edit/dry-run.js';
export type { EnsurePlace } from './iptables/edit/ensure.js';
export { type ParseSaveOptions, parseSave } from './iptables/edit/parse-save.js';
export type { EditFate, PendingEdit } from './iptables/edit/pending-edit.js';
export type { RestoreOptions } from './iptables/edit/restore.js';
export type { TableEdit } from './iptables/edit/table-edit.js';
export type { Kind, Known, Negated } from './iptables/extensions/define.js';
export type { KnownMatch, KnownTarget } from './iptables/extensions/index.js';
export type { MaxRevision } from './iptables/extensions/registry.js';
export { Iptables, ip6tables, iptables } from './iptables/iptables.js';
export type { LegacyTable } from './iptables/legacy/look.js';
export type { NftTables } from './iptables/nft/look.js';
export type {
  EditOptions,
  IptablesOptions,
  LockWait,
  ReadOptions,
  SaveAsOptions,
  SaveOptions,
  TableAddress,
  TableOfFamily,
  TablesEdited,
} from './iptables/options.js';
export type { RuleHead } from './iptables/rule/head.js';
export {
  type Counters,
  type GotoTarget,
  type JumpTarget,
  type Match,
  type MatchOf,
  type NftPlace,
  type Not,
  Rule,
  type RuleInit,
  type RuleInput,
  type RuleOptions,
  type Target,
  type TargetOf,
  type UnknownExtension,
  type VerdictTarget,
} from './iptables/rule/rule.js';
export {
  formatRule,
  type ParseOptions,
  parseRule,
  parseRules,
  sameRule,
} from './iptables/rule/text.js';
export type { BackendTable } from './iptables/table/backend-table.js';
export type * from './iptables/table/change.js';
export { type FormatSaveOptions, formatSave } from './iptables/table/save.js';
export type { Chain, ForeignChain, Policy, Table, TableName } from './iptables/table/table.js';
export type { RuleHits, WatchOptions } from './iptables/table/watch.js';
export type { HostNames, SetNames } from './iptables/text/host-names.js';
