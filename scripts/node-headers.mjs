// Where the headers of the running node are, if they are installed beside it. With them node-gyp downloads nothing.
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What node-gyp takes as `--nodedir`. */
export function nodeHeaders() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  const folder = join(prefix, 'include/node');
  try {
    const text = readFileSync(join(folder, 'node_version.h'), 'utf8');
    const major = /#define NODE_MAJOR_VERSION (\d+)/.exec(text)?.[1];
    const fits = existsSync(join(folder, 'node_api.h')) && existsSync(join(folder, 'common.gypi'));
    return fits && major === process.versions.node.split('.')[0] ? prefix : undefined;
  } catch {
    return undefined;
  }
}
