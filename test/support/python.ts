// The Python that runs the small programs of tests: the system's own. What a PATH puts before it may be
// a script that looks for a version first, which takes ten times as long as the program.
import { existsSync } from 'node:fs';

const ofSystem = '/usr/bin/python3';
export const python = existsSync(ofSystem) ? ofSystem : 'python3';
