// Every node process of a run under a sanitizer loads this file first. Programs that the process starts
// then run without the sanitizer. Further node processes get it again: they start through the program
// that sanitizer.mjs has made.
const { SANITIZED_NODE: node, SANITIZER_RUNTIME: runtime, LD_PRELOAD: preload } = process.env;
if (node !== undefined) {
  process.execPath = node;
  const others = (preload ?? '').split(':').filter((path) => path !== '' && path !== runtime);
  if (others.length > 0) process.env.LD_PRELOAD = others.join(':');
  else delete process.env.LD_PRELOAD;
}
