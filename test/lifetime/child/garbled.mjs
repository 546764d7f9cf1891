// Calls that look something up, with an answer that makes no sense. Prints the result of each call as one line of
// JSON. fault-answers.c changes the answers.
import { closeSync, openSync, writeSync } from 'node:fs';
import { load } from './common.mjs';

// The number in faults.h.
const GARBLE = 5;
const garbles = { 'a payload of noise': 13, 'half of it': 2, 'noise all over': 14 };

const file = openSync(process.env.SHIM_FAULT, 'r+');
function set(kind, variant) {
  // {kind, at, all, count, hits, code, variant}: the first datagram of the call.
  writeSync(file, Buffer.from(new Int32Array([0, 1, 0, 0, 0, 0, variant]).buffer), 0, 28, 0);
  writeSync(file, Buffer.from(new Int32Array([kind]).buffer), 0, 4, 0);
}

const { Conntrack } = await load();
const ct = Conntrack.open();
const orig = { src: '10.9.9.9', dst: '10.9.9.8', srcPort: 1, dstPort: 21 };
const name = { protocol: 'tcp', orig };
const absent = { protocol: 'tcp', orig: { ...orig, srcPort: 2 } };
const expected = { src: '10.9.9.8', dst: '10.9.9.9', srcPort: 0, dstPort: 3000 };
const { expectations } = ct;

await ct.create({ ...name, timeout: 600, state: 'ESTABLISHED', status: 'assured', helper: 'ftp' });
await expectations.create({ protocol: 'tcp', tuple: expected, master: name, timeout: 600 });
const flow = await ct.get(name);
if (flow?.start === undefined) throw new Error('a flow without its start');

const calls = {
  get: () => ct.get(name),
  getMany: () => ct.getMany([name, absent]),
  getSync: () => ct.getSync(name),
  'update of a Flow': () => ct.update(flow, { mark: 1 }),
  'update of a status': () => ct.update(name, { status: 'seen_reply' }),
  'delete of a Flow': () => ct.delete(flow),
  'expectations.list': () => expectations.list(),
  'expectations.list of a flow': () => expectations.list({ master: name }),
  'expectations.stats': () => expectations.stats(),
  'expectations.get': () => expectations.get({ protocol: 'tcp', ...expected }),
  'expectations.delete': () => expectations.delete({ protocol: 'tcp', ...expected }),
};

const of = (value) => (value === undefined ? 'nothing' : JSON.stringify(value));
for (const [call, run] of Object.entries(calls)) {
  for (const [garble, variant] of Object.entries(garbles)) {
    set(GARBLE, variant);
    let became;
    try {
      became = `gave ${of(await run())}`;
    } catch (error) {
      became = `${error.name} ${error.code}`;
    }
    set(0, 0);
    process.stdout.write(`${JSON.stringify({ call, garble, became })}\n`);
  }
}
const left = [(await ct.get(flow))?.id === flow.id, (await expectations.list()).length];
process.stdout.write(`${JSON.stringify({ call: 'left', garble: '', became: of(left) })}\n`);
await ct.close();
closeSync(file);
