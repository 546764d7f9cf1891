// Every program of the README and of the pages in docs runs to its end in a namespace with the flows, rules and traffic
// that it needs, and prints what the page shows. test/unit/docs.test.ts compiles them.
import { pages, testPages } from '../support/doc-pages.js';
import { suite } from '../support/harness.js';

const test = suite('pages of the documentation');

testPages(
  test,
  pages.filter((file) => !file.startsWith('docs/guides/')),
);

test.run();
