// Writing settings to files of the test: what is written, in which order, and what is restored.
import type { NamespaceFiles } from '../../src/conntrack/host/namespace-files.js';
import { readSettings, writeSettings } from '../../src/conntrack/host/settings.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('settings');
const file = (name: string) => `/proc/sys/net/netfilter/nf_conntrack_${name}`;

/** Files with their content. Those in `readOnly` refuse a write. */
function files(content: Record<string, string>, readOnly: string[] = []) {
  const written: [string, string][] = [];
  const held = new Map(Object.entries(content).map(([name, text]) => [file(name), text]));
  const access: NamespaceFiles = {
    read: async (paths, operation) =>
      paths.map((path) => held.get(path) ?? { errno: 2, operation, detail: path }),
    write: async (path, text) => {
      written.push([path.slice(file('').length), text]);
      if (readOnly.some((name) => path === file(name))) throw new Error(`refused ${path}`);
      held.set(path, `${text}\n`);
    },
  };
  return { access, written, held };
}

test('a setting that already has the value is not written', async () => {
  const content = {
    max: '262144\n',
    buckets: '65536\n',
    acct: '0\n',
    tcp_loose: '3\n',
    events: '2\n',
  };
  const { access, written } = files(content, ['max', 'buckets']);
  await writeSettings(access, await readSettings(access));
  assert.equal(written, []);
  // Every number except 0 is true.
  await writeSettings(access, { max: 262144, acct: true, tcp: { loose: true } });
  assert.equal(written, [['acct', '1']]);
  await throws(Error, /refused .*_max$/, () => writeSettings(access, { max: 262145 }));
});

test('a refusal restores the settings before it, the last one first, and is thrown', async () => {
  const content = {
    acct: '0\n',
    timestamp: '0\n',
    events: '2\n',
    udp_timeout: '30\n',
    icmp_timeout: '30\n',
  };
  const { access, written, held } = files(content, ['udp_timeout']);
  const change = {
    acct: true,
    events: 2,
    timestamp: true,
    timeouts: { udp: { unreplied: 31 }, icmp: 31 },
  };
  await throws(Error, /^refused .*udp_timeout$/, () => writeSettings(access, change));
  assert.equal(written, [
    ['acct', '1'],
    ['timestamp', '1'],
    ['udp_timeout', '31'],
    ['timestamp', '0'],
    ['acct', '0'],
  ]);
  assert.is(held.get(file('acct')), '0\n');
  assert.is(held.get(file('icmp_timeout')), '30\n');
});

test('everything is checked before anything is written', async () => {
  const { access, written } = files({ acct: '0\n', events: '2\n' });
  await throws(RangeError, /^change\.events: /, () =>
    writeSettings(access, { acct: true, events: 3 }),
  );
  class Change {
    get acct() {
      return true;
    }
  }
  await throws(TypeError, /^change: /, () => writeSettings(access, new Change()));
  assert.equal(written, []);
});

test.run();
