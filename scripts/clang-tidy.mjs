// Runs clang-tidy over native/ with the compile commands of the developer build, several files at a
// time. A file that was clean is not looked at again until it, a header of ours that it includes, its
// compile command, .clang-tidy or the tool changes; what is clean is remembered by content in the
// user's cache, for all clones. Exits 1 when a file is not clean.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = join(root, 'build-cmake/tidy');
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'conntrack-clang-tidy');

function fail(text) {
  process.stdout.write(`clang-tidy: ${text}\n`);
  process.exit(1);
}

function output(command, args) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.status !== 0) {
    const said = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
    fail(`${command} ${args.join(' ')} failed:\n${said}`);
  }
  return result.stdout;
}

// clang's own commands, so that no warning option is foreign to the tool.
function configure() {
  mkdirSync(build, { recursive: true });
  output('cmake', [
    ...['-S', '.', '-B', build],
    ...['-DCMAKE_C_COMPILER=clang', '-DCMAKE_CXX_COMPILER=clang++'],
    `-DCMAKE_JS_INC=${join(root, 'node_modules/node-api-headers/include')}`,
  ]);
  const commands = JSON.parse(readFileSync(join(build, 'compile_commands.json'), 'utf8'));
  return commands.filter(({ file }) => file.startsWith(join(root, 'native/')));
}

// A file and everything of ours that it includes, by the include lines alone (over-approximates).
function closure(file, found = new Set()) {
  if (found.has(file) || !existsSync(file)) return found;
  found.add(file);
  for (const [, name] of readFileSync(file, 'utf8').matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)) {
    for (const folder of [join(root, 'native'), dirname(file)]) closure(join(folder, name), found);
  }
  return found;
}

const contents = new Map();
function contentOf(file) {
  if (!contents.has(file)) contents.set(file, readFileSync(file));
  return contents.get(file);
}

const common = createHash('sha256')
  .update(readFileSync(join(root, '.clang-tidy')))
  .update(output('clang-tidy', ['--version']))
  .update(readFileSync(join(root, 'node_modules/node-addon-api/package.json')))
  .digest('hex');

// The same for the same content, wherever the clone is.
function keyOf({ file, command }) {
  const hash = createHash('sha256').update(common).update(command.replaceAll(root, './'));
  for (const part of [...closure(file)].sort()) {
    hash.update(relative(root, part)).update(contentOf(part));
  }
  return hash.digest('hex');
}

function check(file) {
  return new Promise((resolve) => {
    const child = spawn('clang-tidy', ['-p', build, '--quiet', file], { cwd: root });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.stderr.on('data', (chunk) => (text += chunk));
    child.on('error', (error) => resolve({ clean: false, text: error.message }));
    child.on('close', (code) => resolve({ clean: code === 0, text }));
  });
}

const queue = configure()
  .map((entry) => ({ file: entry.file, mark: join(cache, keyOf(entry)) }))
  .filter(({ mark }) => {
    if (!existsSync(mark)) return true;
    const now = new Date();
    utimesSync(mark, now, now); // still of use
    return false;
  });
const checked = queue.length;
let failed = 0;

async function lane() {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { clean, text } = await check(next.file);
    if (clean) {
      writeFileSync(next.mark, '');
      continue;
    }
    failed++;
    const noise = /^\d+ warnings? (generated|treated as errors?)|^Suppressed |^Use -header-filter/;
    const said = text.split('\n').filter((line) => !noise.test(line));
    process.stdout.write(`${said.join('\n').trim()}\n`);
  }
}

mkdirSync(cache, { recursive: true });
await Promise.all(Array.from({ length: availableParallelism() }, lane));
// What has not been met for two months is not met again.
const old = Date.now() - 60 * 24 * 3600 * 1000;
for (const name of readdirSync(cache)) {
  const path = join(cache, name);
  if (/^[0-9a-f]{64}$/.test(name) && statSync(path).mtimeMs < old) rmSync(path, { force: true });
}
if (failed > 0) fail(`${failed} of ${checked} files are not clean`);
