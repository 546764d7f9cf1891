// errors.ts: errno and operation become a typed error with a one-line message that says what to do.
import {
  badType,
  fromNative,
  LibraryError,
  NetlinkError,
  UnsupportedError,
  XtablesError,
} from '../../src/errors.js';
import { assert, suite } from '../support/harness.js';

const test = suite('errors');

test('a refused dump names operation, code and capability', () => {
  const error = fromNative({ errno: 1, operation: 'conntrack dump' });
  assert.instance(error, NetlinkError);
  assert.is(error.code, 'EPERM');
  assert.is(error.errno, -1);
  assert.match(
    error.message,
    /^conntrack dump: EPERM: operation not permitted; needs CAP_NET_ADMIN/,
  );
});

test("the kernel's own text is kept", () => {
  const error = fromNative({ errno: 22, operation: 'conntrack create', detail: 'missing tuple' });
  assert.is(error.detail, 'missing tuple');
  assert.match(error.message, /\(missing tuple\)/);
  assert.match(String(error.hint), /timeout/);
});

test('errnos have the names that the kernel gives them', () => {
  const code = (errno: number) => fromNative({ errno, operation: 'conntrack update' }).code;
  assert.is(code(95), 'EOPNOTSUPP');
  assert.is(code(62), 'ETIME');
  assert.is(code(74), 'EBADMSG');
  assert.is(code(524), 'ENOTSUPP');
  const error = fromNative({ errno: 95, operation: 'conntrack update' });
  assert.match(error.message, /^conntrack update: EOPNOTSUPP: operation not supported; NAT/);
  assert.match(String(fromNative({ errno: 62, operation: 'x' }).hint), /dying/);
});

test('kinds choose the class', () => {
  assert.instance(fromNative({ errno: 0, operation: 'x', kind: 'unsupported' }), UnsupportedError);
  assert.instance(
    fromNative({ errno: 11, operation: 'iptables commit', kind: 'xtables' }),
    XtablesError,
  );
  const library = fromNative({
    errno: 0,
    operation: 'conntrack create',
    kind: 'library',
    detail: 'libnetfilter_conntrack.so.3: cannot open shared object file',
  });
  assert.instance(library, LibraryError);
  assert.match(String(library.hint), /libnetfilter-conntrack3/);
});

test('errors of bad arguments say what was expected and what was given', () => {
  assert.is(
    badType('filter.zone', 'an integer', 'x').message,
    'filter.zone: expected an integer, got "x"',
  );
});

test.run();
