// The addon without the checks of TypeScript: wrong values for every argument of every function. The addon must not
// crash, hang or confuse two kinds of handles. `misuse.mjs <seed>`
import { createServer } from 'node:net';
import { load, loadBinding } from './common.mjs';

const report = (value) => process.stdout.write(`${value}\n`);
const binding = loadBinding();
const { Conntrack } = await load();

// A value of every kind. The foreign external belongs to node's own TCP server.
const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const options = { filter: new Uint32Array(0), list: 0, zeroCounters: false, parallel: 1 };
const handle = binding.ctOpen(null, null);
const closedHandle = binding.ctOpen(null, null);
binding.ctClose(closedHandle);
const cell = binding.cancelCell();
const raised = binding.cancelCell();
binding.cancel(raised);
const stream = binding.ctDumpStream(handle, binding.cancelCell(), options, 10);
const eventOptions = {
  filter: new Uint32Array(0),
  kinds: 7,
  expectations: false,
  own: 0,
  receiveBuffer: 1 << 16,
  reliable: false,
  allNamespaces: false,
  maxEvents: 100,
};
const events = binding.ctEventsOpen(handle, eventOptions);
binding.ctEventsHold(events, false);
const following = binding.cancelCell();
const changes = binding.nftChangesOpen(handle, following, 2, ['filter'], 1 << 16);
const lock = await binding.xtLock(binding.cancelCell(), '/run/misuse.lock', 0);
const detached = new Uint8Array(64);
structuredClone(detached.buffer, { transfer: [detached.buffer] });
const kinds = {
  handle,
  closedHandle,
  cell,
  raised,
  stream,
  events,
  changes,
  lock,
  foreign: server._handle._externalStream,
  nothing: undefined,
  null: null,
  true: true,
  zero: 0,
  minus: -1,
  huge: 2 ** 53,
  nan: Number.NaN,
  bigint: 2n ** 64n,
  text: 'x',
  long: 'y'.repeat(100_000),
  symbol: Symbol('s'),
  function: () => {},
  object: {},
  array: [1, 2],
  texts: ['/proc/self/comm', '/nowhere'],
  proxy: new Proxy(
    {},
    {
      get: () => {
        throw new Error('trap');
      },
    },
  ),
  options,
  eventOptions,
  badOptions: { filter: Uint32Array.of(0xffffffff), table: 77, zeroCounters: 1, parallel: -3 },
  bytes: new Uint8Array(52).fill(0xff),
  zeros: new Uint8Array(520),
  odd: new Uint8Array(13).fill(1),
  empty: new Uint8Array(0),
  big: new Uint8Array(1 << 16).fill(0x41),
  words: Uint32Array.of(0, 2, 1, 1, 6, 3, 9, 9),
  oneWord: Uint32Array.of(1),
  doubles: new Float64Array(8),
  bigints: new BigUint64Array(8),
  view: new DataView(new ArrayBuffer(16)),
  buffer: new ArrayBuffer(16),
  shared: new Uint8Array(new SharedArrayBuffer(64)),
  detached,
};
if (typeof kinds.foreign !== 'object') throw new Error('no foreign external to try with');

// Every function that takes an object of the addon refuses objects of all other kinds.
const firsts = {
  cancel: 'cell',
  ctDumpNext: 'stream',
  ctEventsNext: 'events',
  nftChangesNext: 'changes',
  ctEventsClose: 'events',
  ctEventsHold: 'events',
  ctEventsStats: 'events',
  xtUnlock: 'lock',
  xtLock: 'cell',
};
// Other values that are also right: an old cell, and no cell for a wait that nobody cancels.
const alike = {
  handle: ['closedHandle'],
  cell: ['raised', 'nothing', 'null'],
};
const without = new Set(['ctOpen', 'cancelCell', 'libraries', 'trackingSync']);
// They read fields of their first argument: what a getter throws is what they throw.
const readers = new Set(['ctPackTuples', 'ctPackRows']);
let refused = 0;
for (const [name, call] of Object.entries(binding)) {
  if (without.has(name)) continue;
  const own = firsts[name] ?? 'handle';
  for (const [kind, value] of Object.entries(kinds)) {
    if (kind === own || (alike[own]?.includes(kind) && !(name === 'cancel' && kind !== 'raised'))) {
      continue;
    }
    let error;
    try {
      call(value, '/run/misuse.lock', 0, 1, 1, kinds.empty);
    } catch (caught) {
      error = caught;
    }
    const trapped = kind === 'proxy' && readers.has(name) && error?.message === 'trap';
    if (!(error instanceof TypeError) && !trapped) throw new Error(`${name}(${kind}): ${error}`);
    refused++;
  }
}
report(`refused ${refused}`);

// Random wrong values in the other places, many times.
let state = Number(process.argv[2]);
const pick = (below) => {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return Math.floor((state / 2 ** 31) * below);
};
const names = Object.keys(binding);
const values = Object.values(kinds);
const outcomes = { returned: 0, threw: 0, resolved: 0, rejected: 0 };
const open = [];
for (let i = 0; i < 20_000; i++) {
  const name = names[pick(names.length)];
  // The first two would close handles that are needed later. xtLock waits, and takes any file name.
  if (['ctClose', 'ctEventsClose', 'xtLock'].includes(name)) continue;
  const own = pick(10) === 0 ? closedHandle : handle;
  const words = Array.from({ length: 6 }, () => values[pick(values.length)]);
  if (pick(8) !== 0) words[0] = firsts[name] === undefined ? own : kinds[firsts[name]];
  // Sometimes enough other arguments are right to get further.
  if (pick(2) === 0) words[1] = binding.cancelCell();
  const right = name === 'ctEventsOpen' ? [1, eventOptions] : [2, options];
  if (pick(2) === 0) words[right[0]] = right[1];
  try {
    const result = binding[name](...words);
    outcomes.returned++;
    if (name === 'ctEventsOpen') await binding.ctEventsClose(result);
    // Settles with the next event, or with the stream's end.
    if (name === 'ctEventsNext' || name === 'nftChangesNext') result?.catch?.(() => {});
    else if (result instanceof Promise) {
      open.push(
        result.then(
          () => outcomes.resolved++,
          () => outcomes.rejected++,
        ),
      );
    }
  } catch {
    outcomes.threw++;
  }
  if (open.length > 50) {
    await Promise.all(open.splice(0));
    globalThis.gc?.();
  }
}
await Promise.all(open);
await binding.ctEventsClose(events);
binding.cancel(following);
binding.xtUnlock(lock);
for (const [what, count] of Object.entries(outcomes)) {
  if (count === 0) throw new Error(`never ${what}`);
}
// The addon still works.
const ct = Conntrack.open();
await ct.create({
  protocol: 'udp',
  timeout: 60,
  orig: { src: '10.1.1.1', dst: '10.1.1.2', srcPort: 1, dstPort: 2 },
});
report(`works ${(await ct.dump({ src: '10.1.1.1' })).length}`);
await ct.close();
server.close();
