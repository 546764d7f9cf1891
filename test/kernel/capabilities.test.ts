// docs/privileges.md, call by call, for a user that is not root and has only some capabilities.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundledProgram } from '../support/bundled.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import type { CallOutcome } from '../support/privileged-calls.js';
import { run } from '../support/process.js';

const test = suite('capabilities');
const root = new URL('../../', import.meta.url);
const path = (name: string) => fileURLToPath(new URL(name, root));
const program = await bundledProgram(path('test/support/privileged-calls.ts'));
const needsRoot = process.getuid?.() === 0 ? undefined : 'needs root, to become someone else';
const legacy = (...args: string[]) => Netns.current.exec('iptables-legacy', '-w', ...args);
const lockFile = '/run/lock-of-all';

/** The privileges that each call needs, as the document says. */
const documented = new Map(
  [
    ...readFileSync(path('docs/privileges.md'), 'utf8').matchAll(
      /^\| `([^|]+)`\s*\| ([^|]*?)\s*\|$/gm,
    ),
  ].map(([, call, needs]) => [call!, needs === 'nothing' ? [] : needs!.split(', ')]),
);

/** Every call by another user with these capabilities (`net_admin`). */
function outcomes(
  elsewhere: Netns,
  capabilities: readonly string[],
  env: Record<string, string> = {},
): Map<string, CallOutcome> {
  const list = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
  const user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const argv = [...user, `--inh-caps=${list}`, `--ambient-caps=${list}`, `--bounding-set=${list}`];
  const node = [...program, elsewhere.path];
  const lines = run([...argv, '--', ...node], { env })
    .trim()
    .split('\n');
  return new Map(
    lines.map((line) => JSON.parse(line) as CallOutcome).map((one) => [one.call, one]),
  );
}

const sets: { capabilities: string[]; lock: boolean }[] = [
  { capabilities: [], lock: true },
  { capabilities: ['net_admin'], lock: true },
  { capabilities: ['net_raw', 'net_broadcast', 'dac_read_search'], lock: true },
  { capabilities: ['net_admin', 'net_raw'], lock: true },
  { capabilities: ['net_admin', 'net_raw'], lock: false },
  { capabilities: ['net_admin', 'net_broadcast', 'dac_read_search'], lock: true },
  { capabilities: ['sys_admin'], lock: true },
];

for (const { capabilities, lock } of sets) {
  const who = `${capabilities.join(', ') || 'no capability'}${lock ? '' : ', no lock file'}`;
  test.when(needsRoot, `${who}: what is documented works, and nothing else`, () => {
    using elsewhere = Netns.create();
    // This makes a table and the lock file, which only root may open.
    legacy('-F');
    legacy('-A', 'INPUT', '-p', 'udp', '--dport', '53', '-j', 'ACCEPT');
    writeFileSync(lockFile, '');
    chmodSync(lockFile, 0o444);
    const seen = outcomes(elsewhere, capabilities, lock ? { XTABLES_LOCKFILE: lockFile } : {});
    assert.equal([...seen.keys()].sort(), [...documented.keys()].sort());
    const has = new Set(capabilities.map((name) => `CAP_${name.toUpperCase()}`));
    if (has.has('CAP_DAC_READ_SEARCH')) has.add('the list');
    if (lock) has.add('a lock');
    for (const [call, needs] of documented) {
      const outcome = seen.get(call)!;
      const allowed = needs.every((need) => has.has(need));
      assert.is(outcome.code === undefined, allowed, `${call} as ${who}: ${outcome.message}`);
      if (allowed) continue;
      assert.match(outcome.code!, /^(EPERM|EACCES)$/, call);
      // The message names the missing capability, or the file.
      assert.match(
        outcome.message!,
        /CAP_[A-Z_]+|\/run\/xtables\.lock|ip_tables_names/,
        `${call} as ${who}`,
      );
    }
  });
}

test.when(needsRoot, 'what the list and the lock file lack is told with what to do', () => {
  using elsewhere = Netns.create();
  legacy('-A', 'INPUT', '-j', 'ACCEPT');
  const seen = outcomes(elsewhere, ['net_admin', 'net_raw']);
  const tables = seen.get('iptables.tables()')!;
  assert.is(tables.code, 'EACCES');
  assert.match(tables.message!, /ip_tables_names.*name the tables, as in read\('filter'\)/);
  const edit = seen.get('iptables.edit()')!;
  assert.is(edit.code, 'EACCES');
  assert.match(edit.message!, /\/run\/xtables\.lock.*chmod a\+r.*XTABLES_LOCKFILE/);
});

test.run();
