// Loaded first into every node of a run under a sanitizer: what this process starts gets no runtime of
// a sanitizer, except further node processes, through the program that sanitizer.mjs has made.
const { SANITIZED_NODE: node, SANITIZER_RUNTIME: runtime, LD_PRELOAD: preload } = process.env;
if (node !== undefined) {
  process.execPath = node;
  const others = (preload ?? '').split(':').filter((path) => path !== '' && path !== runtime);
  if (others.length > 0) process.env.LD_PRELOAD = others.join(':');
  else delete process.env.LD_PRELOAD;
}
