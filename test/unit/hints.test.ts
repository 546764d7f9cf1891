// Hints about refusals, by errno and operation. Each hint is about a possible cause.
import { hintFor } from '../../src/hints.js';
import { assert, suite } from '../support/harness.js';

const test = suite('hints');

const table: [code: string, operation: string, says: RegExp, not?: RegExp][] = [
  ['EACCES', 'conntrack configure', /initial network namespace/],
  ['EPERM', 'conntrack configure', /initial network namespace/],
  ['EROFS', 'conntrack configure', /mounted writable/],
  ['ENOENT', 'conntrack configure', /no such setting/, /namespace/],
  ['EINVAL', 'conntrack configure', /5\.19.*events/],
  ['EPERM', 'conntrack dump: enter network namespace', /CAP_SYS_ADMIN/],
  ['EPERM', 'conntrack update', /FIXED_TIMEOUT/],
  ['EPERM', 'conntrack dump', /CAP_NET_ADMIN/],
  ['ENOBUFS', 'conntrack delete', /receiveBuffer/],
  // The tuple is taken: the flow already exists, or a translated port gives another flow the same reply tuple.
  ['EEXIST', 'conntrack create', /upsert\(\).*reply tuple that another flow has/],
  ['EEXIST', 'conntrack upsert', /reply tuple that another flow has/],
  ['EEXIST', 'conntrack expectation create', /covers this tuple/, /upsert/],
  ['ENOENT', 'conntrack expectation create', /master flow is not in the table/],
  ['ENOENT', 'conntrack create', /`master`/],
  ['EINVAL', 'conntrack create', /zone.*two that differ/],
  ['EINVAL', 'conntrack expectation create', /policy of that class/],
  ['EOPNOTSUPP', 'conntrack create', /no helper of that name/, /only be set when/],
  ['EOPNOTSUPP', 'conntrack update', /only be set when a flow is created/],
  ['EOPNOTSUPP', 'conntrack expectation create', /room for a helper/],
  ['EBUSY', 'conntrack update', /status bits/],
  ['EBUSY', 'conntrack expectation create', /clashes/],
  ['ESHUTDOWN', 'conntrack expectation create', /has no helper/],
  ['EMFILE', 'conntrack expectation create', /no more expectations/],
  // nf_conntrack_hash_check_insert says it too.
  ['ENOSPC', 'conntrack create', /connlabel.*buckets/],
  ['ENOSPC', 'conntrack update', /connlabel/],
  ['ETIME', 'conntrack update', /dying/],
  ['ENOMEM', 'conntrack create', /max/],
  ['ENOENT', 'network namespace open', /no such network namespace/],
  ['EPROTONOSUPPORT', 'conntrack dump', /nf_conntrack_netlink/],
];

test('each hint is about a possible cause', () => {
  for (const [code, operation, says, not] of table) {
    const hint = String(hintFor(code, operation));
    assert.ok(says.test(hint), `${code} ${operation}: ${hint}`);
    assert.not(not?.test(hint), `${code} ${operation}: ${hint}`);
  }
});

test('an error without a known cause has no hint', () => {
  for (const operation of ['conntrack get', 'conntrack dump', 'conntrack delete']) {
    for (const code of ['EBADMSG', 'EIO', 'EEXIST', 'EINVAL']) {
      assert.is(hintFor(code, operation), undefined, `${code} ${operation}`);
    }
  }
});

test.run();
