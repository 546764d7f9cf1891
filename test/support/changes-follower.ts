// A second process that follows the table filter in nf_tables with a tiny receive buffer, until somebody adds a rule
// with the comment `end`. Its test stops it, so that the kernel has to drop events. Prints `ready`, and in the end what
// it saw, as JSON.
import { Iptables } from '../../src/iptables/iptables.js';
import { Mirror } from './change-mirror.js';

/** What it saw. */
export interface Followed {
  /** Changes that were not lost. */
  followed: number;
  lost: number;
  /** Lost changes that have a process or a generation. */
  wrong: number;
  /** The first reading with the changes applied, and the last reading. */
  mirror: object;
  read: object;
}

const ipt = Iptables.open({ backend: 'nft' });
const changes = ipt.changes({ tables: ['filter'], receiveBuffer: 4096 });
await changes.ready;
const mirror = new Mirror(await ipt.read('filter'));
process.stdout.write('ready\n');
const seen = { followed: 0, lost: 0, wrong: 0 };
for await (const { differences, lost, process, generation } of changes) {
  mirror.apply(differences);
  if (!lost) seen.followed++;
  else {
    seen.lost++;
    if (process !== undefined || generation !== undefined) seen.wrong++;
  }
  const isEnd = differences.some(
    (each) => each.type === 'ruleAdded' && String(each.rule).endsWith('--comment end'),
  );
  if (isEnd) break;
}
const read = new Mirror(await ipt.read('filter')).content;
const told: Followed = { ...seen, mirror: mirror.content, read };
process.stdout.write(`${JSON.stringify(told)}\n`);
