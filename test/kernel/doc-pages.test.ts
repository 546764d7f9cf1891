// Every program of the README and of the pages in docs: it compiles in a strict project, runs to its end in a namespace
// with the flows, rules and traffic that it needs, and prints what the page shows.
import { readdirSync } from 'node:fs';
import { testPages } from '../support/doc-pages.js';
import { suite } from '../support/harness.js';

const test = suite('pages of the documentation');
const pages = readdirSync(new URL('../../docs', import.meta.url)).sort();

testPages(test, [
  'README.md',
  ...pages.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
]);

test.run();
