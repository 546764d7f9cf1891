// Compares the codec of iptables rules with iptables-legacy on the real kernel: the rules that it adds, saves and
// refuses, and the bytes in the kernel. For tests under test/kernel only.
import type { MaxRevision } from '../../src/iptables/extensions/registry.js';
import type { Family, Rule, RuleInit } from '../../src/iptables/rule/rule.js';
import { formatRule, parseRules, sameRule } from '../../src/iptables/rule/text.js';
import type { SetNames } from '../../src/iptables/text/host-names.js';
import { layouts } from '../../src/iptables/xtables/entry.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { onFakeKernel } from './fake-kernel.js';
import { assert, type Suite } from './harness.js';
import {
  difference,
  firstDifference,
  iptablesRefuses,
  kernelEntries,
  load,
  savedRules,
  type TableParts,
} from './iptables-kernel.js';
import { Random } from './random-rules.js';
import { lostInCopies } from './rule-copies.js';

/** A specification in iptables-restore's quoting. A special one has a reason. */
export type Spec =
  | string
  | {
      spec: string;
      /**
       * iptables-save loses bytes without meaning: its text gives a different rule with the same meaning. `rounded`:
       * no text can express the numbers exactly, and the package prints the same text as iptables-save.
       */
      lossy: true | 'rounded';
      ours?: undefined;
    }
  | {
      spec: string;
      /**
       * iptables-save loses meaning, or iptables cannot read its output. The package prints this text instead, or
       * bytes for `raw`.
       */
      ours: string | ((family: Family) => string);
      lossy?: undefined;
    };

export interface Conformance extends TableParts {
  families: readonly Family[];
  /** Rules that both must take, with the same meaning. */
  valid: readonly Spec[];
  /** Rules that both must refuse. */
  invalid?: readonly string[];
  /** Rules that only the kernel refuses, at commit, for reasons that a parser cannot know. */
  kernelRefuses?: readonly string[];
  /** Rules that iptables takes and this package refuses on purpose: reversed ranges, host names … */
  onlyIptables?: readonly string[];
  /** Makes a random specification. Both must agree whether it is valid, and on its meaning. */
  random?: (random: Random) => string;
  /** The number of random specifications, 200 by default. */
  count?: number;
  sets?: SetNames;
  /** The newest revision of extensions that the kernel has, for tests of older revisions. */
  maxRevision?: MaxRevision;
}

/** The options for parser and encoder. */
function context(family: Family, options: Conformance) {
  const { sets, maxRevision } = options;
  return { family, sets, ...(maxRevision !== undefined && { maxRevision }) };
}

function ourParse(family: Family, options: Conformance, spec: string): RuleInit[] {
  return parseRules(spec, { ...context(family, options), table: options.table ?? 'filter' });
}

function ourRefusal(family: Family, options: Conformance, spec: string): Error | undefined {
  try {
    for (const rule of ourParse(family, options, spec)) {
      encodeRule(rule, { ...context(family, options), table: options.table ?? 'filter' });
    }
    return undefined;
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return error;
    throw error;
  }
}

/** How a rule differs from the meaning of its own text, or undefined. */
function printedMeaning(family: Family, options: Conformance, rule: Rule): string | undefined {
  const cx = context(family, options);
  const text = rule.toString();
  try {
    const [init, ...more] = ourParse(family, options, text);
    const back = decodeRule(encodeRule(init!, cx), cx);
    if (more.length === 0 && sameRule(rule, back)) return undefined;
    return `its own text means another rule: ${back}`;
  } catch (error) {
    return `its own text is refused: ${(error as Error).message}`;
  }
}

/** Loads the specifications in one commit and compares all results with those of the codec. */
export function compare(family: Family, options: Conformance, specs: readonly Spec[]): void {
  const table = options.table ?? 'filter';
  const texts = specs.map((each) => (typeof each === 'string' ? each : each.spec));
  const complaint = load(family, options, texts);
  if (complaint !== undefined) {
    const bad = texts.filter((each) => iptablesRefuses(family, options, each) !== undefined);
    throw new Error(`iptables refuses: ${complaint}\n  ${bad.join('\n  ')}`);
  }
  const entries = kernelEntries(family, table);
  const saved = savedRules(family, table);
  assert.is(saved.length, entries.length, 'iptables-save and the kernel agree on how many rules');
  const problems: string[] = [];
  const cx = context(family, options);
  let at = 0;
  for (const [index, spec] of texts.entries()) {
    const counters = { packets: BigInt(index * 7919), bytes: BigInt(index * 104729 + 1) };
    let rules: RuleInit[];
    try {
      rules = ourParse(family, options, spec);
    } catch (error) {
      problems.push(`${spec}\n  we refuse: ${(error as Error).message}`);
      // A specification without a list is one rule. The next ones may be reported wrongly after a list, but lists are
      // rare.
      at += 1;
      continue;
    }
    for (const init of rules) {
      const kernel = entries[at];
      const text = saved[at];
      at++;
      if (kernel === undefined || text === undefined) {
        problems.push(`${spec}\n  we make more rules of it than iptables`);
        break;
      }
      const say = (what: string) => problems.push(`${spec}\n  saved as ${text}\n  ${what}`);
      const written = encodeRule({ ...init, counters }, cx);
      const bytes = difference(family, kernel, written);
      if (bytes !== undefined) say(`parsed and encoded: ${bytes}`);
      const rule = decodeRule(kernel, cx);
      const spelled = specs[index]!;
      const ours = typeof spelled === 'object' ? spelled.ours : undefined;
      const isRaw = ours === 'raw' && String(rule).includes(' --raw-payload ');
      const wanted = isRaw
        ? String(rule)
        : ((typeof ours === 'function' ? ours(family) : ours) ?? text);
      if (rule.toString() !== wanted) say(`decoded and printed: ${rule.toString()}`);
      for (const warning of rule.warnings) say(`warning: ${warning}`);
      const again = difference(family, kernel, encodeRule(rule.with(), cx));
      if (again !== undefined) say(`decoded and encoded: ${again}`);
      for (const told of lostInCopies(rule, cx)) say(told);
      const formatted = formatRule(init, cx);
      if (formatted !== wanted) say(`parsed and formatted: ${formatted}`);
      if (!sameRule(rule, decodeRule(written, cx))) say('not the same rule to sameRule()');
      const isRounded = typeof spelled === 'object' && spelled.lossy === 'rounded';
      const told = isRounded ? undefined : printedMeaning(family, options, rule);
      if (told !== undefined) say(told);
      if (typeof spelled === 'object' && typeof spelled.ours !== 'string') continue;
      try {
        const [back, ...more] = ourParse(family, options, wanted);
        const told = difference(family, kernel, encodeRule({ ...back, counters }, cx));
        if (told !== undefined || more.length > 0) say(`the saved text read back: ${told}`);
      } catch (error) {
        say(`the saved text is refused: ${(error as Error).message}`);
      }
    }
  }
  if (at !== entries.length && problems.length === 0) {
    problems.push(`iptables made ${entries.length} rules, we ${at}`);
  }
  if (problems.length > 0) {
    const shown = problems.slice(0, 15).join('\n');
    throw new Error(`${problems.length} differences, the first of them:\n${shown}`);
  }
}

/**
 * Compares every byte that iptables writes with every byte that the package writes, also bytes that no listing shows.
 * It uses the stand-in for the kernel, because the real kernel does not return all of them.
 */
function compareWritten(family: Family, options: Conformance, specs: readonly Spec[]): void {
  const table = options.table ?? 'filter';
  const texts = specs.map((each) => (typeof each === 'string' ? each : each.spec));
  // The stand-in checks no hooks, and the comparison needs no rule in a base chain.
  const { hook: _, ...rest } = options;
  const complaint = load(family, rest, texts);
  if (complaint !== undefined && !/^warn/i.test(complaint)) throw new Error(complaint);
  const written = kernelEntries(family, table);
  const inits = texts.flatMap((text) =>
    ourParse(family, options, text).map((init) => ({ text, init })),
  );
  assert.is(written.length, inits.length);
  const problems: string[] = [];
  for (const [index, { text, init }] of inits.entries()) {
    const told = writtenDifference(
      family,
      written[index]!,
      encodeRule(init, context(family, options)),
    );
    if (told !== undefined) problems.push(`${text}\n  ${told}`);
  }
  if (problems.length > 0) {
    throw new Error(`${problems.length} differences:\n${problems.slice(0, 15).join('\n')}`);
  }
}

/** Where two entries differ in any byte except the counters. */
function writtenDifference(
  family: Family,
  theirs: Uint8Array,
  ours: Uint8Array,
): string | undefined {
  const { counters } = layouts[family];
  const parts = (entry: Uint8Array) => [entry.subarray(0, counters), entry.subarray(counters + 16)];
  const [head, rest] = parts(theirs);
  const [ourHead, ourRest] = parts(ours);
  const told = firstDifference(head!, ourHead!);
  if (told !== undefined) return `head ${told}`;
  return firstDifference(rest!, ourRest!);
}

/** Adds the cases of one extension to a suite. */
export function conformance(test: Suite, title: string, options: Conformance): void {
  for (const family of options.families) {
    if (options.valid.length > 0) {
      onFakeKernel(test)(`${title} ${family}: every byte is written as iptables writes it`, () => {
        compareWritten(family, options, options.valid);
      });
    }
    test(`${title} ${family}: ${options.valid.length} rules equal to iptables' in bytes and text`, () => {
      compare(family, options, options.valid);
    });
    if (options.invalid !== undefined) {
      test(`${title} ${family}: ${options.invalid.length} bad rules refused by both`, () => {
        agreeOnRefusal(family, options, options.invalid!, true);
      });
    }
    if (options.kernelRefuses !== undefined) {
      test(`${title} ${family}: ${options.kernelRefuses.length} rules refused by the kernel alone`, () => {
        agreeOnRefusal(family, options, options.kernelRefuses!, false);
      });
    }
    if (options.onlyIptables !== undefined) {
      test(`${title} ${family}: ${options.onlyIptables.length} rules refused here on purpose`, () => {
        for (const spec of options.onlyIptables!) {
          const theirs = iptablesRefuses(family, options, spec);
          assert.is(theirs, undefined, `iptables takes ${spec}`);
          assert.ok(ourRefusal(family, options, spec), `refused on purpose: ${spec}`);
        }
      });
    }
    const { random } = options;
    if (random !== undefined) {
      test(`${title} ${family}: random rules`, () => randomRules(family, options, random));
    }
  }
}

function agreeOnRefusal(
  family: Family,
  options: Conformance,
  specs: readonly string[],
  oursToo: boolean,
): void {
  const problems: string[] = [];
  for (const spec of specs) {
    if (iptablesRefuses(family, options, spec) === undefined)
      problems.push(`iptables takes: ${spec}`);
    const ours = ourRefusal(family, options, spec);
    if (oursToo && ours === undefined) problems.push(`we take: ${spec}`);
    if (!oursToo && ours !== undefined) problems.push(`we refuse (move it to invalid): ${spec}`);
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

function randomRules(family: Family, options: Conformance, make: (random: Random) => string): void {
  const seed = Number(process.env.TEST_SEED ?? 1);
  const random = new Random(seed);
  const specs = Array.from({ length: options.count ?? 200 }, () => make(random));
  // iptables must refuse each rule that we refuse; this is tested one by one. The others go in one commit.
  const taken = specs.filter((spec) => {
    const ours = ourRefusal(family, options, spec);
    if (ours === undefined) return true;
    const theirs = iptablesRefuses(family, options, spec);
    assert.ok(theirs, `seed ${seed}: only we refuse ${spec}: ${ours.message}`);
    return false;
  });
  assert.ok(taken.length > 0, 'the generator makes valid rules');
  compare(family, options, taken);
}
