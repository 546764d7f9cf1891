// Waits of a test. A wait that fails says what did not happen, before the whole file runs out of time. The limit
// decides nothing: the awaited things take milliseconds, and a busy machine has enough time.

/** Under a sanitizer, beside other work, a worker takes half a minute to load. */
const limitMs = process.env.SANITIZER_RUNTIME === undefined ? 60_000 : 600_000;
const missing = (what: string) => new Error(`did not happen within ${limitMs / 1000} s: ${what}`);

/** Settles as the promise does. If the promise does not settle, rejects with an error that names it. */
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
 * Waits until `probe` finds something, and returns it. For states that send no event, such as the table after the
 * last packet of a connection. Calls `pause` between two probes, by default a wait of some milliseconds.
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
