// The tarball in Bun.
// Limit: 900 s
import { suite } from '../support/harness.js';
import { enterSandbox } from '../support/sandbox.js';
import { bunPath } from './registry.js';
import { sharedTests } from './runtimes.js';

// Fetched while there is a network.
const bun = bunPath();
enterSandbox();

const test = suite('Bun');
sharedTests(test, 'bun', [bun]);
test.run();
