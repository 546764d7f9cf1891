// Writes the text of one extension, as its description says.
import { same, writeFields } from './codec.js';
import type { Codec, Extension, Typed } from './define.js';
import { isNot } from './define.js';

/** The text of an extension: ` -m name --option …` or ` -j NAME --option …`. */
export function print(extension: Extension, typed: Typed, cx: Codec): string {
  const lead = extension.kind === 'match' ? ' -m ' : ' -j ';
  if (extension.unsaid?.(typed, cx))
    return `${lead}${extension.name}${rawText(extension, typed, cx)}`;
  const { alias } = extension;
  if (alias !== undefined && Object.entries(alias.preset).every(([k, v]) => same(typed[k], v))) {
    return `${lead}${alias.name}${alias.print(typed, cx)}`;
  }
  const text = extension.print?.(typed, cx) ?? printFields(extension, typed, cx);
  return `${lead}${extension.name}${text}`;
}

/** The bytes as text: what `--raw-payload` takes. */
export function rawText(extension: Extension, typed: Typed, cx: Codec): string {
  const payload = new Uint8Array(extension.size);
  writeFields(extension, typed, new DataView(payload.buffer), cx);
  return ` --raw-payload ${extension.revision}:${Buffer.from(payload).toString('hex')}`;
}

/** Field after field, in the order of the description. */
function printFields(
  extension: Pick<Extension, 'fields'>,
  typed: Readonly<Record<string, unknown>>,
  cx: Codec,
): string {
  let text = '';
  for (const field of extension.fields) {
    const given = typed[field.key];
    if (given === undefined) continue;
    const not = isNot(given);
    const value = not ? given.not : given;
    if (field.print !== undefined) {
      const own = field.print(value, not, cx, typed);
      if (own !== '') text += ` ${own}`;
      continue;
    }
    const option = field.options?.[0];
    if (option === undefined) continue;
    // A negated default matches nothing. iptables-save 1.8.9 does not print it, later releases do.
    if (!not && field.default !== undefined && same(value, field.default)) continue;
    text += `${not ? ' !' : ''} --${option}`;
    if (field.type.arity === 1) text += ` ${field.type.print(value, cx)}`;
  }
  return text;
}
