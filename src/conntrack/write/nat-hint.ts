// What a person should know about flows with NAT that nothing translates.
import type { Family } from '../../constants.js';
import type { Session } from '../../native/session.js';
import { type NatState, readHooks } from '../host/tracking.js';

export class NatHint {
  readonly #session: Session;
  #warned = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Why flows of these families that were made with NAT are not translated; undefined when they are, or when the
   * kernel does not say. This may change: once a hook is there, the kernel translates flows that were made before it, too.
   */
  async of(families: ReadonlySet<Family>): Promise<string | undefined> {
    let nat: NatState;
    try {
      ({ nat } = await readHooks(this.#session));
    } catch {
      // The flows are made, whatever became of the handle. Only what happens to their packets is not known.
      return undefined;
    }
    const idle = [...families].filter((family) => nat[family] === 'none');
    if (idle.length === 0) return undefined;
    return (
      `flows of ${idle.join(' and ')} were made with NAT, but no NAT is registered in this network namespace: ` +
      'their packets are not translated until a nat table or a chain of type nat is loaded'
    );
  }

  /** Warns once. A refusal would break a hand-over in which the rules come after the flows. */
  async warn(translated: Family | undefined): Promise<void> {
    if (translated === undefined || this.#warned) return;
    const hint = await this.of(new Set([translated]));
    if (hint === undefined || this.#warned) return;
    this.#warned = true;
    process.emitWarning(hint, { type: 'ConntrackWarning', code: 'CONNTRACK_NAT_NOT_REGISTERED' });
  }
}
