// One signal out of several, which lets go of them when it is done with. AbortSignal.any() would keep
// an entry in a long-lived signal for every operation that ever used it.
import { setMaxListeners } from 'node:events';

/**
 * A controller whose signal many operations listen to at once: Node warns of a leak at the eleventh listener,
 * and there is none.
 */
export function sharedController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

export class LinkedSignal implements Disposable {
  readonly signal: AbortSignal;
  readonly #unlink: (() => void)[] = [];

  /** Aborts when the first of the sources does, with its reason. */
  constructor(...sources: (AbortSignal | undefined)[]) {
    const controller = new AbortController();
    this.signal = controller.signal;
    for (const source of sources) {
      if (source === undefined) continue;
      const abort = () => controller.abort(source.reason);
      if (source.aborted) {
        abort();
        continue;
      }
      source.addEventListener('abort', abort, { once: true });
      this.#unlink.push(() => source.removeEventListener('abort', abort));
    }
  }

  [Symbol.dispose](): void {
    for (const unlink of this.#unlink.splice(0)) unlink();
  }
}
