// An abort at an exact moment.

/**
 * A signal that aborts as soon as somebody listens: after the check whether it is aborted already,
 * before the operation has begun. An abort one line after the call would come too late whenever the
 * machine gives the operation's thread the processor first.
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
