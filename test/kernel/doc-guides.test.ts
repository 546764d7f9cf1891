// Every program of docs/guides: it compiles in a strict project, runs to its end in a namespace with the flows, rules
// and traffic that it needs, and prints what the page shows.
import { readdirSync } from 'node:fs';
import { testPages } from '../support/doc-pages.js';
import { suite } from '../support/harness.js';

const test = suite('guides');
const guides = readdirSync(new URL('../../docs/guides', import.meta.url)).sort();

testPages(
  test,
  guides.filter((name) => name.endsWith('.md')).map((name) => `docs/guides/${name}`),
);

test.run();
