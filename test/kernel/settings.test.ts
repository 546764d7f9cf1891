// Settings of a namespace, each compared with its file.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type ConntrackSettings, conntrack } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';

const test = suite('settings');
const folder = '/proc/sys/net/netfilter';
const prefix = 'nf_conntrack_';
/** Settings of the whole machine. Only the initial namespace can write them. */
const global = ['max', 'buckets', 'expect_max'];
/** Files that this interface does not have as settings. */
const others = ['count', 'frag6_high_thresh', 'frag6_low_thresh', 'frag6_timeout', 'helper'];

/** The path of a setting in the object: `tcp_timeout_syn_sent` is `timeouts.tcp.synSent`. */
function pathOf(name: string): string[] {
  const camel = (text: string) =>
    text.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const pair = /^(udp|gre)_timeout(_stream)?$/.exec(name);
  if (pair) return ['timeouts', pair[1]!, pair[2] ? 'replied' : 'unreplied'];
  const state = /^(tcp|sctp|dccp)_timeout_(.+)$/.exec(name);
  if (state) return ['timeouts', state[1]!, camel(state[2]!)];
  const single = /^(generic|icmp|icmpv6)_timeout$/.exec(name);
  if (single) return ['timeouts', single[1]!];
  const tcp = /^tcp_(.+)$/.exec(name);
  return tcp ? ['tcp', camel(tcp[1]!)] : [camel(name)];
}

const at = (settings: ConntrackSettings, path: string[]): unknown =>
  path.reduce((part, name) => (part as Record<string, unknown>)[name], settings as unknown);

const within = (path: string[], value: unknown): object =>
  path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;

test('every setting against its file, read and written', async () => {
  const names = readdirSync(folder)
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((name) => !others.includes(name) && !name.startsWith('flowtable'));
  assert.ok(names.length > 25, names.join());
  for (const name of names) {
    const file = `${folder}/${prefix}${name}`;
    const path = pathOf(name);
    const before = Number(readFileSync(file, 'utf8'));
    const value = at(await conntrack.settings(), path);
    assert.is(Number(value), before, name);
    if (global.includes(name)) continue;
    const other = typeof value === 'boolean' ? 1 - before : before + (before > 1 ? -1 : 1);
    writeFileSync(file, String(other));
    const changed = await conntrack.settings();
    assert.is(Number(at(changed, path)), other, name);
    const done = await conntrack.configure(
      within(path, typeof value === 'boolean' ? before !== 0 : before),
    );
    assert.is(Number(readFileSync(file, 'utf8')), before, name);
    assert.is(Number(at(done, path)), before, name);
  }
});

test('settings that were read can be written, also if some of them are read-only', async () => {
  const settings = await conntrack.settings();
  assert.ok(settings.max !== undefined && settings.buckets !== undefined);
  assert.equal(await conntrack.configure(settings), settings);
  const changed = await conntrack.configure({ ...settings, acct: !settings.acct });
  assert.is(changed.acct, !settings.acct);
});

test.run();
