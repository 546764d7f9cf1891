// Decides whether a report of ThreadSanitizer is about our code or about node's, when node runs with the addon.
//
// Node, V8 and the C++ library were built without the sanitizer. It does not see how their code orders
// things (atomics, futexes), so work of two node threads may look like a race. Its stacks have at most one
// frame of such code: the one that called an interceptor (malloc, memcpy, pthread_…), because the interceptor
// knows that address. All other frames are instrumented functions that have not returned yet. When the addon
// has called node, the frames below are the addon's, and node's own work seems to come from them. So one of
// our frames somewhere in a stack proves nothing. The innermost frame that is not the sanitizer's shows whose
// code touched the memory:
//
//  - A data race is ours if both accesses are ours. It is also ours if one access and the memory (or the
//    descriptor) are ours: our code made it, or it is one of our variables. If our code races with node's on
//    node's memory, the report counts as node's: node may have ordered the two in a way that is not seen.
//  - The frame next to the interceptor may belong to a library that only we load: it is skipped. The C and C++
//    libraries are used by node too: their frames do not make an access ours.
//  - An access whose stack was lost is ours if one of our threads made it. Our threads run no code of node,
//    except the one call that wakes the JS thread.
//  - A cycle of locks is ours if our code directly took one of them: without it there is no cycle.
//  - Anything else (a lock misused, freed memory touched, a thread not joined) belongs to the code that did it.
//
// This misses some races of our own code. native/test/threads_program.cc finds them: it runs without node, and
// every report counts there.

const sanitizer = /^lib(?:tsan|asan|ubsan)\.so/;
const librariesOfOurs = /^lib(?:netfilter_conntrack|nfnetlink|mnl|ip4tc|ip6tc)\.so/;

/** Modules of the frames of each part of a report, innermost first. `title` is the line before them. */
function partsOf(report) {
  // In a report about a misused lock the first stack has no title.
  const parts = [{ title: '', modules: [] }];
  for (const line of report.split('\n')) {
    if (/^ {2}\S/.test(line)) parts.push({ title: line.trim(), modules: [] });
    else if (/^ {4}#\d+ /.test(line)) parts.at(-1).modules.push(moduleOf(line));
  }
  return parts;
}

/** The module at the end of a line; undefined for code without one (compiled by V8). */
function moduleOf(line) {
  return /\(([^()\s]+)\+0x[0-9a-f]+\)(?: \(BuildId: [0-9a-f]+\))?$/.exec(line.trimEnd())?.[1];
}

const isAddon = (module) => module?.endsWith('.node') ?? false;

/** Whether the code at the top of a stack is ours; undefined if the stack was lost. */
function ownedByUs({ modules }) {
  const owner = modules.find(
    (module) => module === undefined || !(sanitizer.test(module) || librariesOfOurs.test(module)),
  );
  if (modules.length === 0) return undefined;
  return isAddon(owner);
}

/** Whether a report is about our code. */
export function isOurs(report) {
  const kind = /^WARNING: ThreadSanitizer: ([^(]*[^( ])/m.exec(report)?.[1] ?? '';
  const parts = partsOf(report);
  const titled = (pattern) => parts.filter(({ title }) => pattern.test(title));
  const threads = new Map(
    titled(/^Thread T\d+ /).map((part) => [/^Thread (T\d+)/.exec(part.title)[1], ownedByUs(part)]),
  );
  const ours = (part) =>
    ownedByUs(part) ?? threads.get(/ by thread (T\d+)/.exec(part.title)?.[1]) ?? false;

  if (kind.startsWith('lock-order-inversion')) return titled(/^Mutex M\d+ .*acquired/).some(ours);
  if (kind === 'thread leak') return [...threads.values()].includes(true);

  const accesses = titled(/^(?:Previous )?(?:atomic )?(?:read|write) of size /i).map(ours);
  const places = titled(/^Location is /).some(
    (part) => ownedByUs(part) ?? isAddon(moduleOf(part.title)),
  );
  const touched = accesses.filter(Boolean).length;
  if (touched >= 2 || (touched === 1 && places)) return true;
  if (kind.startsWith('data race')) return false;
  const [first] = parts.filter(({ modules }) => modules.length > 0);
  return first !== undefined && ours(first);
}
