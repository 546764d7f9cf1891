// An edit of a table that was not read as a whole, on a table in memory: what is read again, and when nothing is tried
// again.
import { fromNative, XtablesError } from '../../src/errors.js';
import type { Committed, LockOptions, TableBackend } from '../../src/iptables/edit/backend.js';
import type { TableDraft } from '../../src/iptables/edit/change.js';
import { parseSave } from '../../src/iptables/edit/parse-save.js';
import { runEdit } from '../../src/iptables/edit/run.js';
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import type { TableReading, Wanted } from '../../src/iptables/table/reading.js';
import { Table } from '../../src/iptables/table/table.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('edits of tables that were not read as a whole');

const text = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp
-A FORWARD -p tcp
-A OUTPUT -p tcp
COMMIT
`;

/** A table that is read by need. Keeps nothing. */
class Partial implements TableBackend {
  readonly kind = 'nft';
  readonly family = 'ipv4';
  readonly joins = true;
  readonly attempts = 3;
  readonly whenChanged = 'wait';
  /** What each reading was asked for. */
  readonly readings: string[] = [];
  /** What happens at the next commits; `undefined`: nothing. */
  readonly events: (Error | 'stale' | undefined)[] = [];
  commits = 0;

  async tables(): Promise<string[]> {
    return ['filter'];
  }
  async read(_table: string, _signal?: AbortSignal, wanted: Wanted = 'all'): Promise<TableReading> {
    this.readings.push(wanted === 'all' ? 'all' : [...wanted].join(' '));
    const reading = Table.readingOf(parseSave(text, { family: 'ipv4' })[0]!);
    const chains = reading.chains.map((chain) => {
      return { ...chain, unread: wanted !== 'all' && !wanted.has(chain.name) };
    });
    return Object.defineProperty(reading, 'chains', { value: chains });
  }
  async commit(changes: readonly TableDraft[]): Promise<Committed> {
    assert.is(changes.length, 1);
    this.commits++;
    const event = this.events.shift();
    if (event instanceof Error) throw event;
    return { outcome: event ?? 'done', countersLost: false };
  }
  async check(): Promise<'checked'> {
    return 'checked';
  }
  async checkUndoable(): Promise<void> {}
  changes(): never {
    throw new Error('nobody follows it');
  }
  async supports(): Promise<boolean> {
    return true;
  }
  locked<T>(_options: LockOptions, work: () => Promise<T>): Promise<T> {
    return work();
  }
}

const refusal = (detail: string) =>
  fromNative({ kind: 'xtables', errno: 22, operation: 'iptables commit filter', detail });

async function edit(backend: Partial, change: (table: TableEdit) => unknown): Promise<number> {
  let calls = 0;
  const lock: LockOptions = { timeout: 1000, signal: undefined };
  const places = [{ backend, table: 'filter' }];
  const wanted = () => new Set<string>();
  await runEdit({ places, signal: undefined, lock, wanted }, ([begun]) => {
    calls++;
    change(begun!.edit);
  });
  return calls;
}

const append = (table: TableEdit) => table.chain('INPUT').append('-p udp');

test('each reading has what was missing before', async () => {
  const backend = new Partial();
  assert.is(await edit(backend, append), 1);
  assert.is(await edit(backend, (table) => table.chain('OUTPUT').insert('-p udp').length), 2);
  const all = ['FORWARD', 'INPUT', 'OUTPUT'];
  assert.is(
    await edit(backend, (table) => {
      append(table);
      return all.map((name) => table.chain(name).length);
    }),
    3,
  );
  assert.equal(backend.readings, ['', '', 'OUTPUT', '', 'FORWARD', 'all']);
  assert.is(backend.commits, 3);
});

test('after a commit of others it is read with what was needed before', async () => {
  const backend = new Partial();
  backend.events.push('stale', 'stale');
  const look = (table: TableEdit) => table.chain('OUTPUT').delete('-p tcp');
  assert.is(await edit(backend, look), 4);
  assert.equal(backend.readings, ['', 'OUTPUT', 'OUTPUT', 'OUTPUT']);
});

test('a refused rule is looked at in the whole table', async () => {
  const backend = new Partial();
  backend.events.push(refusal('rule 0 of chain INPUT'), refusal('rule 1 of chain INPUT: why'));
  await throws(XtablesError, /rule 1 of chain INPUT: why/, () => edit(backend, append));
  assert.equal(backend.readings, ['', 'all']);
  // A jump to a chain that does not exist is found before anything is sent.
  const jump = (table: TableEdit) => table.chain('INPUT').append('-j nowhere');
  await throws(RangeError, /INPUT\.rules\[1\]\.target\.chain/, () => edit(backend, jump));
  assert.equal(backend.readings, ['', 'all', '', 'all']);
  assert.is(backend.commits, 2);
});

test('nothing is tried again if nobody knows whether the commit was done', async () => {
  const backend = new Partial();
  const lost = 'the answer was lost: nobody knows whether the rules were changed';
  backend.events.push(refusal(lost));
  await throws(XtablesError, /the answer was lost/, () => edit(backend, append));
  assert.equal(backend.readings, ['']);
  assert.is(backend.commits, 1);
});

test.run();
