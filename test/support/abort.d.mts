// Types of abort.mjs.
export function abortsOnceHeard(reason?: unknown): AbortSignal;
