// Objects from callers: they are read once and copied. They are refused if a field would not be seen.
import { runInNewContext } from 'node:vm';
import { fieldsAt, listAt, oneOrMoreAt, optionsAt } from '../../src/checks.js';
import { badType, quoted, shown } from '../../src/errors.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('checks');
const names = new Set(['src', 'dst', '__proto__']);

/** An object with getters. Each read gives the next value. */
function changing(values: Record<string, unknown[]>): { object: object; reads: () => number } {
  let reads = 0;
  const object = {};
  for (const [name, list] of Object.entries(values)) {
    const get = () => list[Math.min(reads++, list.length - 1)];
    Object.defineProperty(object, name, { enumerable: true, get });
  }
  return { object, reads: () => reads };
}

test('an object is copied: own enumerable fields, each read once', () => {
  const { object, reads } = changing({ src: ['first', 'second'] });
  const copy = fieldsAt(object, 'filter', names);
  assert.is(reads(), 1);
  assert.is(copy.src, 'first');
  assert.is(copy.src, 'first');
  assert.is(reads(), 1);
  assert.is(Object.getPrototypeOf(copy), null);
});

test('plain objects of no prototype, of another realm, and a Proxy of one are taken', () => {
  const bare = Object.assign(Object.create(null), { src: 1 });
  assert.is(fieldsAt(bare, 'f', names).src, 1);
  assert.is(fieldsAt(runInNewContext('({ src: 1 })'), 'f', names).src, 1);
  assert.is(fieldsAt(new Proxy({ src: 1 }, {}), 'f', names).src, 1);
  assert.is(Object.values(fieldsAt(JSON.parse('{"__proto__": 5}'), 'f', names))[0], 5);
});

test('properties of Object.prototype are not fields', () => {
  (Object.prototype as { dst?: number }).dst = 5;
  try {
    assert.is(fieldsAt({ src: 1 }, 'f', names).dst, undefined);
  } finally {
    delete (Object.prototype as { dst?: number }).dst;
  }
});

test('an object whose fields would not be seen is refused', async () => {
  class Filter {
    get src() {
      return 1;
    }
  }
  class Fields {
    src = 1;
  }
  const hidden = Object.defineProperty({ src: 1 }, 'dst', { value: 2 });
  const foreign = Object.create(Object.create(null, { src: { value: 1, enumerable: true } }));
  for (const [value, message] of [
    [new Filter(), /^f: expected an object \(a plain one, of no class\), got a Filter$/],
    [new Fields(), /^f: .*got a Fields$/],
    [Object.create({ src: 1 }), /^f: expected an object \(a plain one/],
    [foreign, /^f: expected an object \(a plain one/],
    [new Map([['src', 1]]), /^f: .*got a Map$/],
    [new Date(0), /^f: .*got a Date$/],
    [hidden, /^f\.dst: is not enumerable/],
    [[], /^f: expected an object, got an array of 0$/],
    [null, /^f: expected an object, got null$/],
    ['src', /^f: expected an object, got "src"$/],
    [() => 1, /^f: expected an object, got a function$/],
  ] as const) {
    await throws(TypeError, message, () => fieldsAt(value, 'f', names));
    await throws(TypeError, message, () => optionsAt(value, 'f', names));
  }
});

test('fields that do not exist and fields that are undefined', async () => {
  await throws(TypeError, /^f\.scr: there is no such field \(there are: src, dst/, () =>
    fieldsAt({ scr: 1 }, 'f', names),
  );
  await throws(TypeError, /^f\."a b": there is no such field/, () =>
    fieldsAt({ 'a b': 1 }, 'f', names),
  );
  await throws(TypeError, /^f\.src: is undefined; leave the field out, or give it a value$/, () =>
    fieldsAt({ src: undefined }, 'f', names),
  );
  assert.equal(Object.keys(optionsAt({ src: undefined }, 'f', names)), []);
  await throws(TypeError, /^f\.src: is undefined/, () =>
    optionsAt({ src: undefined }, 'f', names, ['src']),
  );
});

test('a revoked Proxy', async () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  const list = Proxy.revocable([], {});
  revoke();
  list.revoke();
  await throws(TypeError, /^f: is a Proxy that was revoked$/, () => fieldsAt(proxy, 'f', names));
  await throws(TypeError, /^f: is a Proxy that was revoked$/, () => listAt(list.proxy, 'f'));
  const broken = new Proxy({}, { ownKeys: () => 5 as never });
  await throws(TypeError, /^f: is a Proxy that does not behave/, () =>
    fieldsAt(broken, 'f', names),
  );
  assert.is(shown(proxy), 'an object');
});

test('a list is copied, and each element is read once; a growing list does not grow the copy', () => {
  const growing: number[] = [1, 2];
  Object.defineProperty(growing, 0, { get: () => growing.push(9), enumerable: true });
  const copy = listAt(growing, 'f');
  assert.is(copy.length, 2);
  assert.is(copy[1], 2);
  assert.equal(oneOrMoreAt(5, 'f'), { list: [5], many: false });
  assert.equal(oneOrMoreAt([5], 'f'), { list: [5], many: true });
});

test('lists with holes, objects that look like lists, and lists without end', async () => {
  await throws(TypeError, /^f\[1\]: is missing: the array has a hole$/, () =>
    listAt(Object.assign([1], { 2: 3 }), 'f'),
  );
  await throws(TypeError, /^f\[0\]: is missing/, () => listAt(new Array(5), 'f'));
  const shrinking = [1, 2];
  Object.defineProperty(shrinking, 0, { get: () => (shrinking.length = 1), enumerable: true });
  await throws(TypeError, /^f\[1\]: is missing/, () => listAt(shrinking, 'f'));
  for (const like of [{ length: 1, 0: 1 }, new Set([1]), new Uint8Array(1), 'ab', undefined]) {
    await throws(TypeError, /^f: expected an array, got /, () => listAt(like, 'f'));
  }
  const endless = new Proxy([], { get: (_, name) => (name === 'length' ? Infinity : 1) });
  await throws(RangeError, /^f\.length: expected at most/, () => listAt(endless, 'f'));
});

test('a message repeats only a short part of the input', () => {
  const long = 'x'.repeat(5_000_000);
  assert.is(quoted('a"b'), '"a\\"b"');
  assert.is(quoted('12345', 3), '"123"… (5 characters)');
  class Long {}
  Object.defineProperty(Long, 'name', { value: long });
  class Angry {}
  Object.defineProperty(Angry, 'name', {
    get: () => {
      throw new Error('looked at');
    },
  });
  const huge = 10n ** 100_000n;
  const code = Object.assign(() => {}, { toString: () => long });
  for (const value of [long, new Long(), new Angry(), huge, code, Symbol(long), [long]]) {
    const { message } = badType('f', 'nothing', value);
    assert.ok(message.length < 150, message.slice(0, 200));
  }
  assert.is(shown(12n), '12n');
  assert.is(shown(-1), '-1');
});

test.run();
