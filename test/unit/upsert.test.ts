// upsert with an addon whose answers the test chooses: the flow disappears, or the handle is closed, between two of
// its calls.
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
/** The answer to the creation, and whether there is a flow to change. */
let answers: { create: () => number; update: () => boolean };

const addon = {
  ctOpen: () => {
    calls.push('open');
    return {};
  },
  ctClose: () => calls.push('close'),
  ctTable: () => 'the only one',
  cancelCell: () => ({}),
  // The kernel's answer cannot be undone.
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

/** A case with its own handle. */
function test(name: string, run: (conntrack: Conntrack) => Promise<void>): void {
  upserts(name, async () => {
    calls = [];
    await run(Conntrack.open());
  });
}

test('closed during the creation: an existing flow is not changed', async (conntrack) => {
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

test('closed during the change, and the flow disappears: it is not created again', async (conntrack) => {
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

test('closed during the change: the change is made', async (conntrack) => {
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

test('a flow that disappears between the two calls is created; if that repeats, the error is EEXIST', async (conntrack) => {
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
