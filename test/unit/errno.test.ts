// The names of errors are compared with the headers of the kernel.
import { existsSync, readFileSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { describeErrno } from '../../src/errno.js';
import { assert, suite } from '../support/harness.js';

const test = suite('errno');

const folder = '/usr/include/asm-generic';
const headers = ['errno-base.h', 'errno.h'].map((name) => `${folder}/${name}`);
const missing = headers.every(existsSync) ? undefined : `no ${folder}: linux-libc-dev`;

test.when(missing, 'every errno of the kernel has its name', () => {
  let seen = 0;
  for (const header of headers) {
    for (const [, code, number] of readFileSync(header, 'utf8').matchAll(
      /^#define\s+(E\w+)\s+(\d+)\b/gm,
    )) {
      seen++;
      const described = describeErrno(Number(number));
      assert.is(described.code, code, `${number}`);
      assert.match(described.text, /^\S.*\S$/);
      assert.not.match(described.text, /system error/);
    }
  }
  assert.ok(seen >= 131, `${seen} names in the headers`);
});

test("if Node knows the name too, the words are Node's", () => {
  for (const [number, [code, text]] of getSystemErrorMap()) {
    if (number <= -3000) continue; // an error of libuv, not of the kernel
    const ours = describeErrno(-number);
    if (code !== 'ENOTSUP') assert.equal(ours, { code, text });
    else assert.is(ours.code, 'EOPNOTSUPP'); // the kernel's name for 95
  }
});

test('internal errors of the kernel, and numbers without a name', () => {
  assert.is(describeErrno(37).code, 'ENOLCK');
  assert.is(describeErrno(524).code, 'ENOTSUPP');
  assert.is(describeErrno(520).code, 'E520');
  assert.is(describeErrno(4095).text, 'system error 4095');
});

test.run();
