// Runs clang-tidy over native/ with the compile commands of the developer build, several files at a
// time. A file that was clean is not looked at again until it, a header of ours that it includes, its
// compile command, .clang-tidy or the tool changes. Exits 1 when a file is not clean.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = join(root, 'build-cmake/tidy');
const cacheFile = join(build, 'clean.json');

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

function keyOf({ file, command }) {
  const hash = createHash('sha256').update(common).update(command);
  for (const part of [...closure(file)].sort()) hash.update(part).update(contentOf(part));
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

const commands = configure();
let clean = {};
try {
  clean = JSON.parse(readFileSync(cacheFile, 'utf8'));
} catch {
  // nothing is known to be clean yet
}
const current = Object.fromEntries(commands.map((entry) => [relative(root, entry.file), entry]));
const keys = Object.fromEntries(
  Object.entries(current).map(([name, entry]) => [name, keyOf(entry)]),
);
const queue = Object.keys(current).filter((name) => clean[name] !== keys[name]);
const checked = queue.length;
let failed = 0;

async function lane() {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const { clean: good, text } = await check(current[name].file);
    if (good) {
      clean[name] = keys[name];
    } else {
      failed++;
      const noise =
        /^\d+ warnings? (generated|treated as errors?)|^Suppressed |^Use -header-filter/;
      const said = text.split('\n').filter((line) => !noise.test(line));
      process.stdout.write(`${said.join('\n').trim()}\n`);
    }
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, lane));
const known = Object.entries(clean).filter(([name]) => current[name] !== undefined);
writeFileSync(cacheFile, JSON.stringify(Object.fromEntries(known)));
if (failed > 0) fail(`${failed} of ${checked} files are not clean`);
