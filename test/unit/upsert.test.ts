// upsert by an addon that answers as the test says: between two of its calls the flow vanishes, and the handle
// is closed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClosedError, Conntrack, type FlowInit, NetlinkError } from '../../src/index.js';
import type { Binding } from '../../src/native/binding.js';
import { assert, suite, throws } from '../support/harness.js';

const upserts = suite('upsert');

const folder = mkdtempSync(join(tmpdir(), 'upsert-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
process.env.CONNTRACK_ADDON = join(folder, 'addon.cjs');
writeFileSync(process.env.CONNTRACK_ADDON, 'module.exports = globalThis.addonOfTheTest;');

const eexist = 17;
/** The native calls, in their order. */
let calls: string[] = [];
/** What the flow's creation answers, and whether there is a flow to change. */
let answers: { create: () => number; update: () => boolean };

const addon = {
  ctOpen: () => {
    calls.push('open');
    return {};
  },
  ctClose: () => calls.push('close'),
  ctTable: () => 'the only one',
  cancelCell: () => ({}),
  // What the kernel has answered already is not taken back.
  cancel: () => {},
  ctWrite: async () => {
    calls.push('create');
    return { codes: Int32Array.of(answers.create()), texts: {} };
  },
  ctUpdate: async () => {
    calls.push('update');
    return answers.update();
  },
};
Object.assign(globalThis, { addonOfTheTest: addon as unknown as Binding });

const flow: FlowInit = {
  ...{ protocol: 'tcp', src: '10.0.0.1', dst: '10.0.0.2', srcPort: 1, dstPort: 2, timeout: 600 },
};

/** A case with a handle of its own. */
function test(name: string, run: (conntrack: Conntrack) => Promise<void>): void {
  upserts(name, async () => {
    calls = [];
    await run(Conntrack.open());
  });
}

test('closed while it is created: the flow that is there is not changed', async (conntrack) => {
  answers = {
    create: () => {
      void conntrack.close();
      return eexist;
    },
    update: () => true,
  };
  await throws(ClosedError, /^conntrack upsert: /, () => conntrack.upsert(flow));
  await conntrack.close();
  assert.equal(calls, ['open', 'create', 'close']);
});

test('closed while it is changed, and it vanished: it is not made again', async (conntrack) => {
  answers = {
    create: () => eexist,
    update: () => {
      void conntrack.close();
      return false;
    },
  };
  await throws(ClosedError, /^conntrack upsert: /, () => conntrack.upsert(flow));
  await conntrack.close();
  assert.equal(calls, ['open', 'create', 'update', 'close']);
});

test('closed while it is changed: that is done', async (conntrack) => {
  answers = {
    create: () => eexist,
    update: () => {
      void conntrack.close();
      return true;
    },
  };
  await conntrack.upsert(flow);
  await conntrack.close();
  assert.equal(calls, ['open', 'create', 'update', 'close']);
});

test('a flow that vanishes between the two is made; one that does so again and again is EEXIST', async (conntrack) => {
  for (const vanishes of [0, 1, 3]) {
    calls = [];
    let left = vanishes;
    answers = { create: () => (left > 0 ? eexist : 0), update: () => left-- < 0 };
    await conntrack.upsert(flow);
    const pairs = new Array<string[]>(vanishes).fill(['create', 'update']).flat();
    assert.equal(calls, [...pairs, 'create']);
  }
  calls = [];
  answers = { create: () => eexist, update: () => false };
  await throws(NetlinkError, /^conntrack upsert: EEXIST/, () => conntrack.upsert(flow));
  assert.is(calls.filter((call) => call === 'create').length, 4);
});

upserts.run();
