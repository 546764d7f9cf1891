// Waits of a test that say what did not happen, instead of lasting until the whole file runs out of time. The
// limit decides nothing: what is awaited takes milliseconds, and a busy machine is allowed for.

/** Under a sanitizer, beside other work, a worker takes half a minute to load. */
const limitMs = process.env.SANITIZER_RUNTIME === undefined ? 60_000 : 600_000;
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

/**
 * Waits until `probe` finds something and gives it: for what has no event to wait for, such as the state of a table
 * after the last packet of a connection. Between two looks `pause` is done, unless given some milliseconds.
 */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  pause: () => unknown = () => new Promise((resolve) => setTimeout(resolve, 2)),
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw missing(what);
    await pause();
  }
}
