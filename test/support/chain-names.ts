// Edits in which chains take over the names of others, and the chains and rules that a table must have afterwards. They
// are written as iptables-save prints them with counters.
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';

/** The chains and rules before each of the edits. Some chains that exchange names lead to each other. */
export const chains = `:a - [0:0]
:b - [0:0]
:c - [0:0]
:d - [0:0]
[1:10] -A INPUT -p tcp -j d
[2:20] -A FORWARD -p udp -g d
[3:30] -A a -p tcp -m tcp --dport 1 -j ACCEPT
[4:40] -A a -j d
[5:50] -A b -p udp -m udp --dport 2 -j RETURN
[6:60] -A b -m comment --comment of-b -j a
[7:70] -A c -p udp -g b
[8:80] -A c -p tcp -j a
[9:90] -A d -p udp -m udp --dport 3 -j DROP`;

export interface NameEdit {
  readonly what: string;
  readonly edit: (table: TableEdit) => unknown;
  /** The chains and rules after it. */
  readonly wanted: string;
}

export const nameEdits: readonly NameEdit[] = [
  {
    what: 'two chains swap their names by a third one',
    edit: (table) => {
      table.renameChain('b', 'held');
      table.renameChain('c', 'b');
      table.renameChain('held', 'c').append('-p tcp');
      table.chain('INPUT').append('-p udp -j b');
    },
    wanted: `:a - [0:0]
:b - [0:0]
:c - [0:0]
:d - [0:0]
[1:10] -A INPUT -p tcp -j d
[0:0] -A INPUT -p udp -j b
[2:20] -A FORWARD -p udp -g d
[3:30] -A a -p tcp -m tcp --dport 1 -j ACCEPT
[4:40] -A a -j d
[7:70] -A b -p udp -g c
[8:80] -A b -p tcp -j a
[5:50] -A c -p udp -m udp --dport 2 -j RETURN
[6:60] -A c -m comment --comment of-b -j a
[0:0] -A c -p tcp
[9:90] -A d -p udp -m udp --dport 3 -j DROP`,
  },
  {
    what: 'three chains pass their names on',
    edit: (table) => {
      table.renameChain('a', 'held');
      table.renameChain('c', 'a');
      table.renameChain('b', 'c');
      table.renameChain('held', 'b');
    },
    wanted: `:a - [0:0]
:b - [0:0]
:c - [0:0]
:d - [0:0]
[1:10] -A INPUT -p tcp -j d
[2:20] -A FORWARD -p udp -g d
[7:70] -A a -p udp -g c
[8:80] -A a -p tcp -j b
[3:30] -A b -p tcp -m tcp --dport 1 -j ACCEPT
[4:40] -A b -j d
[5:50] -A c -p udp -m udp --dport 2 -j RETURN
[6:60] -A c -m comment --comment of-b -j b
[9:90] -A d -p udp -m udp --dport 3 -j DROP`,
  },
  {
    what: 'a new chain has the old name of another one, and leads to it',
    edit: (table) => {
      table.renameChain('c', 'old');
      table.newChain('c').append('-p udp', '-j old');
      table.chain('FORWARD').insert('-j c');
    },
    wanted: `:a - [0:0]
:b - [0:0]
:c - [0:0]
:d - [0:0]
:old - [0:0]
[1:10] -A INPUT -p tcp -j d
[0:0] -A FORWARD -j c
[2:20] -A FORWARD -p udp -g d
[3:30] -A a -p tcp -m tcp --dport 1 -j ACCEPT
[4:40] -A a -j d
[5:50] -A b -p udp -m udp --dport 2 -j RETURN
[6:60] -A b -m comment --comment of-b -j a
[0:0] -A c -p udp
[0:0] -A c -j old
[9:90] -A d -p udp -m udp --dport 3 -j DROP
[7:70] -A old -p udp -g b
[8:80] -A old -p tcp -j a`,
  },
  {
    what: 'a chain is deleted and made anew, and old rules lead to the new one',
    edit: (table) => {
      const [fromInput, fromA] = [table.chain('INPUT').rules[0]!, table.chain('a').rules[1]!];
      for (const name of ['INPUT', 'FORWARD', 'd']) table.chain(name).flush();
      table.chain('a').delete(1);
      table.deleteChain('d');
      table.newChain('d').append('-p udp -m udp --dport 4 -j DROP');
      table.chain('INPUT').append(fromInput);
      table.chain('a').insert(fromA);
    },
    wanted: `:a - [0:0]
:b - [0:0]
:c - [0:0]
:d - [0:0]
[1:10] -A INPUT -p tcp -j d
[4:40] -A a -j d
[3:30] -A a -p tcp -m tcp --dport 1 -j ACCEPT
[5:50] -A b -p udp -m udp --dport 2 -j RETURN
[6:60] -A b -m comment --comment of-b -j a
[7:70] -A c -p udp -g b
[8:80] -A c -p tcp -j a
[0:0] -A d -p udp -m udp --dport 4 -j DROP`,
  },
  {
    what: 'a chain takes the name of a deleted one',
    edit: (table) => {
      table.chain('c').flush();
      table.deleteChain('c');
      table.renameChain('b', 'c').move(0, 1);
    },
    wanted: `:a - [0:0]
:c - [0:0]
:d - [0:0]
[1:10] -A INPUT -p tcp -j d
[2:20] -A FORWARD -p udp -g d
[3:30] -A a -p tcp -m tcp --dport 1 -j ACCEPT
[4:40] -A a -j d
[6:60] -A c -m comment --comment of-b -j a
[5:50] -A c -p udp -m udp --dport 2 -j RETURN
[9:90] -A d -p udp -m udp --dport 3 -j DROP`,
  },
  {
    what: 'rules follow chains through several names',
    edit: (table) => {
      table.renameChain('d', 'x');
      table.renameChain('a', 'held');
      table.renameChain('held', 'y').delete(0);
      table.renameChain('x', 'z');
    },
    wanted: `:b - [0:0]
:c - [0:0]
:y - [0:0]
:z - [0:0]
[1:10] -A INPUT -p tcp -j z
[2:20] -A FORWARD -p udp -g z
[5:50] -A b -p udp -m udp --dport 2 -j RETURN
[6:60] -A b -m comment --comment of-b -j y
[7:70] -A c -p udp -g b
[8:80] -A c -p tcp -j y
[4:40] -A y -j z
[9:90] -A z -p udp -m udp --dport 3 -j DROP`,
  },
  {
    what: 'a chain gets its name back from another one',
    edit: (table) => {
      table.renameChain('d', 'held');
      table.newChain('d').append('-p udp').flush();
      table.deleteChain('d');
      table.renameChain('held', 'd').insert('-j RETURN');
      table.chain('FORWARD').delete(0);
    },
    wanted: `:a - [0:0]
:b - [0:0]
:c - [0:0]
:d - [0:0]
[1:10] -A INPUT -p tcp -j d
[3:30] -A a -p tcp -m tcp --dport 1 -j ACCEPT
[4:40] -A a -j d
[5:50] -A b -p udp -m udp --dport 2 -j RETURN
[6:60] -A b -m comment --comment of-b -j a
[7:70] -A c -p udp -g b
[8:80] -A c -p tcp -j a
[0:0] -A d -j RETURN
[9:90] -A d -p udp -m udp --dport 3 -j DROP`,
  },
  {
    what: 'rules that stay lead to chains that swap their names',
    edit: (table) => {
      table.renameChain('d', 'held');
      table.renameChain('b', 'd');
      table.renameChain('held', 'b');
      table.chain('a').insert('-p udp');
    },
    wanted: `:a - [0:0]
:b - [0:0]
:c - [0:0]
:d - [0:0]
[1:10] -A INPUT -p tcp -j b
[2:20] -A FORWARD -p udp -g b
[0:0] -A a -p udp
[3:30] -A a -p tcp -m tcp --dport 1 -j ACCEPT
[4:40] -A a -j b
[9:90] -A b -p udp -m udp --dport 3 -j DROP
[7:70] -A c -p udp -g d
[8:80] -A c -p tcp -j a
[5:50] -A d -p udp -m udp --dport 2 -j RETURN
[6:60] -A d -m comment --comment of-b -j a`,
  },
  {
    what: 'rules that stay lead to a chain whose old name a new one has',
    edit: (table) => {
      table.renameChain('d', 'old');
      table.newChain('d').append('-p udp');
      table.chain('c').append('-j d');
    },
    wanted: `:a - [0:0]
:b - [0:0]
:c - [0:0]
:d - [0:0]
:old - [0:0]
[1:10] -A INPUT -p tcp -j old
[2:20] -A FORWARD -p udp -g old
[3:30] -A a -p tcp -m tcp --dport 1 -j ACCEPT
[4:40] -A a -j old
[5:50] -A b -p udp -m udp --dport 2 -j RETURN
[6:60] -A b -m comment --comment of-b -j a
[7:70] -A c -p udp -g b
[8:80] -A c -p tcp -j a
[0:0] -A c -j d
[0:0] -A d -p udp
[9:90] -A old -p udp -m udp --dport 3 -j DROP`,
  },
  {
    what: 'rules that stay lead to a chain that takes the name of a deleted one',
    edit: (table) => {
      table.chain('c').delete(0);
      table.chain('b').flush();
      table.deleteChain('b');
      table.renameChain('d', 'b');
    },
    wanted: `:a - [0:0]
:b - [0:0]
:c - [0:0]
[1:10] -A INPUT -p tcp -j b
[2:20] -A FORWARD -p udp -g b
[3:30] -A a -p tcp -m tcp --dport 1 -j ACCEPT
[4:40] -A a -j b
[9:90] -A b -p udp -m udp --dport 3 -j DROP
[8:80] -A c -p tcp -j a`,
  },
];
