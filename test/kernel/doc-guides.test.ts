// Every program of docs/guides runs to its end in a namespace with the flows, rules and traffic that it needs, and prints
// what the page shows. test/unit/docs.test.ts compiles them.
import { pages, testPages } from '../support/doc-pages.js';
import { suite } from '../support/harness.js';

const test = suite('guides');

testPages(
  test,
  pages.filter((file) => file.startsWith('docs/guides/')),
);

test.run();
