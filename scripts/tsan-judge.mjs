// Whose a report of ThreadSanitizer is, when node runs under it with the addon: ours or node's.
//
// Node, V8 and the C++ library were built without the sanitizer. It does not see how their code orders
// things (atomics, futexes), so what two threads of node do may look like a race. And of such code its stacks
// hold one frame at most: the one that called an interceptor (malloc, memcpy, pthread_…), whose address
// the interceptor knows. All other frames are of instrumented functions that have not returned: whatever the
// JS thread does inside node, the frames below are the addon's, because the addon had called node. So a
// frame of ours somewhere in a stack says nothing. The innermost one that is not the sanitizer's says
// exactly whose code touched the memory:
//
//  - A data race is ours when both accesses are, or when one is and the memory (or the descriptor) is ours too:
//    made by our code, or a variable of ours. Code of ours that races with node's on node's memory cannot
//    be told from node's own ordering, which nobody sees.
//  - What lies between the interceptor and us may be a library that only we load. The C and C++ libraries are
//    node's as well: a frame of theirs is nobody's.
//  - An access whose stack was lost is ours when a thread of ours made it: those run no code of node but for
//    one call that rings a bell.
//  - Of a cycle of locks one that our code took directly makes it ours: the cycle needs it.
//  - Anything else (a lock misused, freed memory touched, a thread not joined) belongs to the code that did it.
//
// What this lets pass of our own code is found without node, where nothing is let pass:
// native/test/threads_program.cc.

const sanitizer = /^lib(?:tsan|asan|ubsan)\.so/;
const librariesOfOurs = /^lib(?:netfilter_conntrack|nfnetlink|mnl|ip4tc|ip6tc)\.so/;

/** Modules of the frames of each part of a report, innermost first. `title` is the line before them. */
function partsOf(report) {
  // Of a lock that is misused the first stack has no title.
  const parts = [{ title: '', modules: [] }];
  for (const line of report.split('\n')) {
    if (/^ {2}\S/.test(line)) parts.push({ title: line.trim(), modules: [] });
    else if (/^ {4}#\d+ /.test(line)) parts.at(-1).modules.push(moduleOf(line));
  }
  return parts;
}

/** The module that a line ends with; undefined: code without one (compiled by V8). */
function moduleOf(line) {
  return /\(([^()\s]+)\+0x[0-9a-f]+\)(?: \(BuildId: [0-9a-f]+\))?$/.exec(line.trimEnd())?.[1];
}

const isAddon = (module) => module?.endsWith('.node') ?? false;

/** Whether the code at the top of a stack is ours; undefined: the stack is lost. */
function ownedByUs({ modules }) {
  const owner = modules.find(
    (module) => module === undefined || !(sanitizer.test(module) || librariesOfOurs.test(module)),
  );
  if (modules.length === 0) return undefined;
  return isAddon(owner);
}

/** Whether a report is of our code. */
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
