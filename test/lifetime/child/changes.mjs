// Follows the rules, takes one change, and ends although the stream is open. Argument: the backend.
import { execFileSync } from 'node:child_process';
import { load } from './common.mjs';

const { Iptables } = await load();
const [backend] = process.argv.slice(2);
const changes = Iptables.open({ backend }).changes({ interval: 10 });
await changes.ready;
process.stdout.write('ready\n');
setTimeout(() => execFileSync(`iptables-${backend}`, ['-A', 'INPUT', '-p', '210']), 20);
await changes.next();
process.stdout.write('a change\n');
