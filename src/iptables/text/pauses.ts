// Pauses of long work on the JS thread.

/** Lets timers and I/O run. */
export const breathe = () => new Promise<void>((resolve) => setImmediate(resolve));
