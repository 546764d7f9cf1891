// An abort at an exact moment.

/**
 * A signal that aborts as soon as somebody listens. This is after the check for an aborted signal and before the
 * operation begins. An abort one line after the call could come too late: the operation's thread may get the
 * processor first.
 */
export function abortsOnceHeard(reason) {
  const controller = new AbortController();
  const { signal } = controller;
  const listen = signal.addEventListener.bind(signal);
  signal.addEventListener = (...words) => {
    listen(...words);
    controller.abort(reason);
  };
  return signal;
}
