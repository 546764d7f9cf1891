// The tarball in each line of Node.
// Limit: 1200 s
import { type AddCase, suite } from '../support/harness.js';
import { enterSandbox } from '../support/sandbox.js';
import { nodeOf, nodeVersions } from './registry.js';
import { sharedTests } from './runtimes.js';

// Fetched while there is a network.
const nodes = nodeVersions.map((version) => ({ version, node: nodeOf(version) }));
enterSandbox();

const test = suite('Node');
for (const { version, node } of nodes) {
  const add: AddCase = (name, run) => test(`${version}: ${name}`, run);
  sharedTests(add, 'node', [node], '--import');
}
test.run();
