// The Python for the small programs of tests: that of the system. An earlier one in the PATH may be a script that
// first searches for a version, which takes ten times as long as the program.
import { existsSync } from 'node:fs';

const ofSystem = '/usr/bin/python3';
export const python = existsSync(ofSystem) ? ofSystem : 'python3';
