// Waits of a test that say what did not happen, instead of lasting until the whole file runs out of time. The
// limit decides nothing: what is awaited takes milliseconds, and a busy machine is allowed for.

/** Under a sanitizer, beside other work, a worker takes half a minute to load. */
export const limitMs = process.env.SANITIZER_RUNTIME === undefined ? 60_000 : 600_000;
const missing = (what: string) => new Error(`did not happen within ${limitMs / 1000} s: ${what}`);

/** What a promise settles to; an error that names it, where it does not settle. */
export async function awaited<T>(what: string, promise: PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(missing(what)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets others run until something is so; between two looks `work` is done, unless given nothing. */
export async function until(
  what: string,
  isSo: () => boolean,
  work: () => unknown = () => new Promise((resolve) => setImmediate(resolve)),
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!isSo()) {
    if (performance.now() > end) throw missing(what);
    await work();
  }
}
