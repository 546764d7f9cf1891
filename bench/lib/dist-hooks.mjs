// A resolve hook of the benches: with it they import the built package, as users do, and not the TypeScript
// source through tsx. The output of tsx is different: it names every function at run time.
const source = new URL('../../src/index.', import.meta.url).href;
const built = new URL('../../build-bench/dist/index.js', import.meta.url).href;

export async function resolve(specifier, context, next) {
  if (specifier.startsWith('.') && context.parentURL !== undefined) {
    const { href } = new URL(specifier, context.parentURL);
    if (href.startsWith(source)) return { url: built, format: 'module', shortCircuit: true };
  }
  return next(specifier, context);
}
