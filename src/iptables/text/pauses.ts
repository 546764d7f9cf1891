// Pauses of work on the JS thread: between two parts of it, and for a time.

/** Lets timers and I/O run. */
export const breathe = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Waits for this time, or until the signal aborts. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // The caller aborted while it handled the last hit. No event will come.
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end, { once: true });
  });
}
