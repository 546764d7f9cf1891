// upsert by an addon that answers as the test says: between two of its calls the flow vanishes, and the handle
// is closed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClosedError, conntrack, type FlowInit, NetlinkError } from '../../src/index.js';
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

/** A case that begins with a handle that is not open. */
function test(name: string, run: () => Promise<void>): void {
  upserts(name, async () => {
    await conntrack.close();
    calls = [];
    await run();
  });
}

test('closed while it is created: the flow of a handle that is opened anew is not changed', async () => {
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

test('closed while it is changed, and it vanished: it is not made anew', async () => {
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

test('closed while it is changed: that is done', async () => {
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

test('a flow that vanishes between the two is made; one that does so again and again is EEXIST', async () => {
  for (const vanishes of [0, 1, 3]) {
    await conntrack.close();
    calls = [];
    let left = vanishes;
    answers = { create: () => (left > 0 ? eexist : 0), update: () => left-- < 0 };
    await conntrack.upsert(flow);
    const pairs = new Array<string[]>(vanishes).fill(['create', 'update']).flat();
    assert.equal(calls, ['open', ...pairs, 'create']);
  }
  calls = [];
  answers = { create: () => eexist, update: () => false };
  await throws(NetlinkError, /^conntrack upsert: EEXIST/, () => conntrack.upsert(flow));
  assert.is(calls.filter((call) => call === 'create').length, 4);
});

upserts.run();
