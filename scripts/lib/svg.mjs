// What the drawings of the benches have in common: an SVG as a list of tags. Knows nothing of what is drawn.
import { writeFileSync } from 'node:fs';

const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const xml = (text) => String(text).replace(/[&<>"]/g, (char) => entities[char]);

/** One element; `content` is text. */
export function tag(name, attributes, content) {
  const pairs = Object.entries(attributes).map(([key, value]) => ` ${key}="${xml(value)}"`);
  const opening = `<${name}${pairs.join('')}`;
  return content === undefined ? `${opening}/>` : `${opening}>${xml(content)}</${name}>`;
}

/** An element with a tooltip. */
export function tipped(name, attributes, tip) {
  return `${tag(name, attributes).replace(/\/>$/, '>')}${tag('title', {}, tip)}</${name}>`;
}

/** Writes the elements as one drawing on white ground; `title` says what it shows to who cannot see it. */
export function writeSvg(file, title, width, height, parts) {
  const frame = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    'font-family': 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif',
  };
  const opening = tag('svg', frame).replace(/\/>$/, '>');
  const ground = tag('rect', { width, height, fill: '#ffffff' });
  writeFileSync(
    file,
    `${[opening, tag('title', {}, title), ground, ...parts, '</svg>'].join('\n')}\n`,
  );
}
