// Which rules an error is about. This is kept beside the error, so a caller who knows the line of a rule can name it.
// Also lists the objects that the kernel looks up by name when it takes a rule.
import { bounded, fromNative, NetfilterError } from '../../errors.js';
import { operationOn } from '../text/family.js';
import type { NewItem, TableDraft } from './change.js';
import { initOf } from './change.js';

type About = (rule: NewItem) => boolean;

const blamed = new WeakMap<object, About>();

/** Notes that the error is about the rules for which `about` returns true. Returns the error. */
export function blame<E extends Error>(error: E, about: About): E {
  blamed.set(error, about);
  return error;
}

/**
 * Whether an error may name the place of a rule. Then nothing was changed: either nothing was sent, or the kernel refused
 * that rule.
 */
export function isAboutPlace(error: unknown): boolean {
  if (!(error instanceof NetfilterError)) return true;
  return /\brule \d+ of chain /.test(error.detail ?? '');
}

/** The first new rule of a table's change that an error is about, if that is known. */
export function culprit(error: unknown, change: TableDraft): NewItem | undefined {
  if (!(error instanceof Error)) return undefined;
  const about = blamed.get(error);
  // As native code writes it: after the name comes a colon or nothing.
  const isOfTable =
    error instanceof NetfilterError && error.operation === operationOn('commit', [change.base]);
  const detail = isOfTable ? (error.detail ?? '') : '';
  const named = /^rule (\d+) of chain (.*)/s.exec(detail);
  for (const { chain, index, item } of change.newRules()) {
    if (about?.(item)) return item;
    if (named === null || Number(named[1]) !== index || !named[2]!.startsWith(chain.name)) continue;
    const rest = named[2]!.slice(chain.name.length);
    if (rest === '' || rest.startsWith(':')) return item;
  }
  return undefined;
}

/** Objects of the namespace that a rule names. They must exist when the kernel takes the rule. */
export function objectsOf(item: NewItem): string[] {
  const found: string[] = [];
  const { target, matches = [] } = initOf(item);
  if (target?.name === 'CT') {
    if (target.helper !== undefined) found.push(`the conntrack helper ${target.helper}`);
    if (target.timeout !== undefined) found.push(`the timeout policy ${target.timeout}`);
  }
  for (const match of matches) {
    if (match.name === 'nfacct') found.push(`the accounting object ${match.nfacctName}`);
    if (match.name === 'rateest') {
      for (const name of [match.rateest1, match.rateest2]) {
        if (name !== undefined) found.push(`the rate estimator ${name}`);
      }
    }
    if (match.name === 'cgroup' && match.path !== undefined) {
      const { path } = match;
      found.push(`the cgroup ${typeof path === 'string' ? path : path.not}`);
    }
    if (match.name === 'bpf' && match.objectPinned !== undefined) {
      found.push(`the pinned program ${match.objectPinned}`);
    }
  }
  return found;
}

/** The kernel's ENOENT, if it has all extensions: an object that one of these rules names does not exist. */
export function objectMissing(
  error: NetfilterError,
  rules: ReturnType<TableDraft['newRules']>,
): NetfilterError {
  const naming = [...rules].filter(({ item }) => objectsOf(item).length > 0);
  if (naming.length === 0) return error;
  const some = naming.slice(0, 8).map(({ chain, index, item }) => {
    return `${objectsOf(item).join(' or ')} (rule ${index} of chain ${chain.name})`;
  });
  const more =
    naming.length > some.length ? ` or what ${naming.length - some.length} other rules name` : '';
  const detail = bounded(`there is no such object: ${some.join(', or ')}${more}`);
  const failure = { kind: 'xtables', errno: 2, operation: error.operation, detail } as const;
  const items = new Set(naming.map(({ item }) => item));
  return blame(fromNative(failure, error), (item) => items.size === 1 && items.has(item));
}
