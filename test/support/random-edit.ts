// Changes of a table at random, as a caller of edit() makes them.
import type { TableEdit } from '../../src/index.js';
import type { Random } from './random.js';

/** A rule as iptables-save prints it. */
export const port = (number: number) => `-p tcp -m tcp --dport ${number} -j ACCEPT`;

/** For new chains, and for others after them: these may have been renamed or deleted. */
const names = ['a', 'b', 'c', 'e1', 'e2', 'e3', 'e4', 'e5'];

/**
 * Changes a chain at random, or asks it something. `most`: about the number of rules in a chain. It throws where the edit
 * refuses.
 */
export function changeAtRandom(
  random: Random,
  table: TableEdit,
  told: unknown[],
  most: number,
): void {
  const near = Math.min(30, most);
  const name = random.pick([...table.chains]);
  const chain = table.chain(name);
  const number = random.integer(1, most + 20);
  const rule = random.chance(10)
    ? `-p ${number % 250} -j ${random.pick([...table.chains])}`
    : port(number);
  switch (random.below(16)) {
    case 0:
    case 1:
    case 2:
      chain.append(rule, port(number + 1));
      break;
    case 3:
    case 4:
      chain.insert(rule);
      break;
    case 5:
      chain.insert(rule, random.below(near));
      break;
    case 6:
      told.push(chain.delete(port(number)));
      break;
    case 7:
      chain.delete(random.below(near));
      break;
    case 8:
      told.push(chain.has(port(number)), chain.length);
      break;
    case 9:
      table.newChain(random.pick(names)).append(rule);
      break;
    case 10:
      table.renameChain(name, random.pick(names));
      break;
    case 11:
      if (random.chance(30)) chain.flush();
      table.deleteChain(name);
      break;
    case 12:
      chain.policy(random.pick(['ACCEPT', 'DROP']));
      break;
    case 13:
      chain.move(random.below(near), random.below(near));
      break;
    case 14:
      told.push(chain.deleteWhere((rule) => String(rule).includes(`dport ${number}`)));
      break;
    default:
      chain.replace(random.below(near), port(number));
  }
}
