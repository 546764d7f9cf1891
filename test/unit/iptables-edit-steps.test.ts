// The steps of an edit of several tables, on tables in memory: which are committed together, in what order, and what is
// taken back when a later step is refused or another writer comes first.
import { NetfilterError } from '../../src/errors.js';
import type { Committed, LockOptions, TableBackend } from '../../src/iptables/edit/backend.js';
import type { TableDraft } from '../../src/iptables/edit/change.js';
import { parseSave } from '../../src/iptables/edit/parse-save.js';
import { restoreText } from '../../src/iptables/edit/restore.js';
import { type Begun, isOneStep, type Place, runEdit } from '../../src/iptables/edit/run.js';
import type { EditState } from '../../src/iptables/edit/state.js';
import type { TableReading } from '../../src/iptables/table/reading.js';
import { Table } from '../../src/iptables/table/table.js';
import type { Family } from '../../src/iptables/text/addresses.js';
import { operationOn } from '../../src/iptables/text/family.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('steps of an edit of several tables');

/** What comes between an edit and its commit. */
type Event = 'stale' | Error;

/** Tables in memory. `log` has the calls of all backends of a test. */
class Memory implements TableBackend {
  readonly attempts = 3;
  readonly whenChanged = 'wait';
  readonly #texts = new Map<string, string>();
  /** What happens at the next commits; `undefined`: nothing. */
  readonly events: (Event | undefined)[] = [];
  readonly refusedChecks: Error[] = [];
  /** How many of the next checks come too late. */
  staleChecks = 0;

  constructor(
    readonly kind: 'legacy' | 'nft',
    readonly family: Family,
    readonly log: string[],
  ) {}

  get joins(): boolean {
    return this.kind === 'nft';
  }
  get #name(): string {
    return `${this.kind} ${this.family}`;
  }
  text(table: string): string {
    return this.#texts.get(table) ?? `*${table}\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n`;
  }
  put(table: string, ...rules: string[]): void {
    const lines = rules.map((rule) => `-A OUTPUT ${rule}\n`).join('');
    this.#texts.set(table, `*${table}\n:OUTPUT ACCEPT [0:0]\n${lines}COMMIT\n`);
  }
  rules(table: string): string {
    return [...this.text(table).matchAll(/^-A OUTPUT (.*)$/gm)].map(([, rule]) => rule).join('; ');
  }

  async tables(): Promise<string[]> {
    return [...this.#texts.keys()];
  }
  async read(table: string): Promise<TableReading> {
    return Table.readingOf(parseSave(this.text(table), { family: this.family })[0]!);
  }
  async check(change: TableDraft): Promise<'checked' | 'stale'> {
    this.log.push(`${this.#name} check ${change.base.name}`);
    const refused = this.refusedChecks.shift();
    if (refused !== undefined) throw refused;
    return this.staleChecks-- > 0 ? 'stale' : 'checked';
  }
  async checkUndoable(): Promise<void> {}
  async commit(changes: readonly TableDraft[]): Promise<Committed> {
    const names = changes.map(({ base }) => `${base.family} ${base.name}`).join(', ');
    const event = this.events.shift();
    this.log.push(`${this.kind} commit ${names}${event === undefined ? '' : ' fails'}`);
    if (event instanceof Error) throw event;
    if (event === 'stale') {
      for (const { base } of changes) this.put(base.name, '-p sctp');
      return { outcome: 'stale', countersLost: false };
    }
    for (const change of changes) {
      const state = change as EditState;
      const chain = state.chain('OUTPUT');
      const rules = Array.from({ length: state.length(chain) }, (_, i) => state.rule(chain, i));
      this.put(change.base.name, ...rules.map(String));
    }
    return { outcome: 'done', countersLost: false };
  }
  changes(): never {
    throw new Error('nobody follows it');
  }
  async supports(): Promise<boolean> {
    return true;
  }
  async locked<T>(options: LockOptions, work: () => Promise<T>): Promise<T> {
    this.log.push(`${this.#name} lock ${options.timeout > 0}`);
    try {
      return await work();
    } finally {
      this.log.push(`${this.#name} unlock`);
    }
  }
}

const lock: LockOptions = { timeout: 1000, signal: undefined };
const append =
  (rule: string) =>
  (tables: readonly Begun[]): void => {
    for (const { edit } of tables) edit.chain('OUTPUT').append(rule);
  };
const edit = (places: readonly Place[], change = append('-p udp')) =>
  runEdit({ places, signal: undefined, lock }, change);

test('what can be together is one step, at the place of its first table', async () => {
  const log: string[] = [];
  const old = new Memory('legacy', 'ipv4', log);
  const six = new Memory('legacy', 'ipv6', log);
  const nft = new Memory('nft', 'ipv4', log);
  const places = [
    { backend: old, table: 'nat' },
    { backend: nft, table: 'nat' },
    { backend: six, table: 'nat' },
    { backend: nft, table: 'filter' },
  ];
  const { changed } = await edit(places);
  assert.equal(log, [
    'legacy ipv6 lock true',
    'nft ipv4 lock true',
    'legacy ipv4 check nat',
    'nft ipv4 check nat',
    'legacy ipv6 check nat',
    'nft ipv4 check filter',
    'legacy commit ipv4 nat',
    'nft commit ipv4 nat, ipv4 filter',
    'legacy commit ipv6 nat',
    'nft ipv4 unlock',
    'legacy ipv6 unlock',
  ]);
  assert.equal(
    changed.map(({ backend, table }) => `${backend.kind} ${backend.family} ${table}`),
    ['legacy ipv4 nat', 'nft ipv4 nat', 'nft ipv4 filter', 'legacy ipv6 nat'],
  );
  assert.is(isOneStep(changed), false);
  assert.is(isOneStep(changed.slice(1, 3)), true);
  assert.is(isOneStep(changed.slice(0, 1)) && isOneStep([]), true);
  // One step needs no check before it.
  log.length = 0;
  await edit(places.slice(1, 2));
  assert.equal(log, ['nft ipv4 lock true', 'nft commit ipv4 nat', 'nft ipv4 unlock']);
});

test('a check that refuses comes before all commits', async () => {
  const log: string[] = [];
  const old = new Memory('legacy', 'ipv4', log);
  old.refusedChecks.push(new RangeError('no'));
  const places = ['nat', 'filter'].map((table) => ({ backend: old, table }));
  await throws(RangeError, /^no$/, () => edit(places));
  assert.not.match(log.join(), /commit/);
});

test('a text is checked again if others changed a table meanwhile', async () => {
  const nft = new Memory('nft', 'ipv4', []);
  const checks = async () => {
    nft.log.length = 0;
    await restoreText(nft, '*filter\n-A OUTPUT -p udp\nCOMMIT\n', { test: true }, lock);
    return nft.log.filter((line) => line.includes('check')).length;
  };
  assert.is(await checks(), 1);
  nft.staleChecks = 2;
  assert.is(await checks(), 3);
  // It does not say that a text is right that nobody could check.
  nft.staleChecks = 3;
  const error = await throws(NetfilterError, /changed/, checks);
  assert.is(error.code, 'ERR_NETFILTER_TABLE_CHANGED');
  assert.is(nft.text('filter').includes('udp'), false);
});

test('a refusal takes the steps before it back, the last one first', async () => {
  const log: string[] = [];
  const old = new Memory('legacy', 'ipv4', log);
  for (const table of ['raw', 'nat', 'filter']) old.put(table, '-p tcp');
  old.events.push(undefined, undefined, new RangeError('no'));
  const places = ['raw', 'nat', 'filter'].map((table) => ({ backend: old, table }));
  await throws(RangeError, /^no \(raw, nat: committed before, and taken back\)$/, () =>
    edit(places),
  );
  assert.equal(
    log.filter((line) => line.includes('commit')),
    ['raw', 'nat', 'filter fails', 'nat', 'raw'].map((table) => `legacy commit ipv4 ${table}`),
  );
  for (const table of ['raw', 'nat', 'filter']) assert.is(old.rules(table), '-p tcp');
});

test('what cannot be taken back is told', async () => {
  const old = new Memory('legacy', 'ipv4', []);
  old.events.push(undefined, undefined, new RangeError('no'), undefined, new Error('broken'));
  const places = ['raw', 'nat', 'filter'].map((table) => ({ backend: old, table }));
  await throws(
    RangeError,
    /^no \(raw: committed before, and could not be taken back: Error: broken\)$/,
    () => edit(places),
  );
  assert.equal([old.rules('raw'), old.rules('nat')], ['-p udp', '']);
});

test('after another writer all steps begin again', async () => {
  const log: string[] = [];
  const old = new Memory('legacy', 'ipv4', log);
  old.put('nat', '-p tcp');
  old.events.push(undefined, 'stale');
  const places = ['nat', 'filter'].map((table) => ({ backend: old, table }));
  let calls = 0;
  const { value } = await edit(places, (tables) => {
    append('-p udp')(tables);
    return ++calls as never;
  });
  assert.is(value, 2 as never);
  assert.is(old.rules('nat'), '-p tcp; -p udp');
  assert.is(old.rules('filter'), '-p sctp; -p udp');
  assert.equal(
    log.filter((line) => line.includes('commit')),
    ['nat', 'filter fails', 'nat', 'nat', 'filter'].map((table) => `legacy commit ipv4 ${table}`),
  );
  // It ends after three attempts, and takes back what it committed.
  old.events.push(undefined, 'stale', undefined, undefined, 'stale', undefined);
  old.events.push(undefined, 'stale');
  const error = await throws(NetfilterError, /^iptables edit nat, filter: .* 3 times/, () =>
    edit(places),
  );
  assert.is(error.code, 'ERR_NETFILTER_TABLE_CHANGED');
  assert.is(old.rules('nat'), '-p tcp; -p udp');
});

test('the name of an operation on several tables', () => {
  const [four, six] = ['ipv4', 'ipv6'].map((family) => ({ family: family as Family, name: 'nat' }));
  const on = (...tables: { family: Family; name: string }[]) => operationOn('commit', tables);
  assert.is(on(four!), 'iptables commit nat');
  assert.is(on(six!), 'ip6tables commit nat');
  const filter = { ...four!, name: 'filter' };
  assert.is(on(four!, filter, six!), 'iptables commit nat, filter, ip6tables commit nat');
});

test.run();
