// From an errno and an operation to a hint: what a person can do about it. Data and one lookup; makes no error.

type HintRule = { errno: string; operation?: RegExp; detail?: RegExp; hint: string };

// First match wins. Facts: nfnetlink.c (EPERM for every request without CAP_NET_ADMIN), af_netlink.c
// (EBUSY, ENOBUFS), nf_conntrack_netlink.c (EINVAL, EBUSY, EOPNOTSUPP on create and update), libiptc.
const hints: HintRule[] = [
  ...['EACCES', 'EPERM', 'EROFS'].map((errno) => ({
    errno,
    operation: /conntrack configure/,
    hint: 'max, buckets and expectMax can be changed in the initial network namespace only; the others need CAP_NET_ADMIN in the namespace and /proc/sys mounted writable',
  })),
  {
    errno: 'ENOENT',
    operation: /conntrack configure/,
    hint: 'this kernel has no such setting, or nf_conntrack is not loaded: settings() shows the settings that there are',
  },
  {
    errno: 'EINVAL',
    operation: /conntrack configure/,
    hint: 'this kernel does not take the value: before Linux 5.19 `events` is 0 or 1',
  },
  {
    errno: 'EPERM',
    operation: /namespace/,
    hint: 'entering a network namespace needs CAP_SYS_ADMIN in the user namespace that owns it',
  },
  {
    errno: 'EPERM',
    operation: /^(ip6?tables|ipset)/,
    hint: 'needs CAP_NET_ADMIN in the user namespace of this network namespace, and CAP_NET_RAW too to change legacy tables (run as root, or setcap cap_net_admin,cap_net_raw+ep on the node binary)',
  },
  {
    errno: 'EPERM',
    operation: /update/,
    hint: 'needs CAP_NET_ADMIN in this network namespace; an entry whose timeout is fixed (FIXED_TIMEOUT) also refuses a new timeout',
  },
  {
    errno: 'EPERM',
    hint: 'needs CAP_NET_ADMIN in this network namespace (sudo, or setcap cap_net_admin+ep on the node binary)',
  },
  {
    errno: 'EACCES',
    operation: /^iptables lock/,
    hint: 'this user may not open the lock file: let it be read (chmod a+r is enough), or set XTABLES_LOCKFILE to a file that this user and every other writer of these tables lock',
  },
  {
    errno: 'EACCES',
    operation: /^ip6?tables tables/,
    hint: "the list of legacy tables is open to root of the network namespace only (or with CAP_DAC_READ_SEARCH): name the tables, as in read('filter') or save({ tables: ['filter'] })",
  },
  {
    errno: 'EACCES',
    hint: 'the file is not accessible to this user; run as root or with the capability that the operation needs',
  },
  {
    errno: 'ENOBUFS',
    hint: 'the receive buffer was too small: raise `receiveBuffer` (above net.core.rmem_max it needs CAP_NET_ADMIN in the initial user namespace)',
  },
  {
    errno: 'EEXIST',
    operation: /expectation/,
    hint: 'an expectation that covers this tuple is there already',
  },
  {
    errno: 'ENOENT',
    operation: /expectation create/,
    hint: 'the master flow is not in the table (in the zone of `master`)',
  },
  {
    errno: 'EOPNOTSUPP',
    operation: /expectation create/,
    hint: 'the master flow has no room for a helper (give it one when it is made), or the kernel has no helper of that name for its protocol',
  },
  {
    errno: 'ESHUTDOWN',
    operation: /expectation create/,
    hint: 'the master flow has no helper',
  },
  {
    errno: 'EINVAL',
    operation: /expectation create/,
    hint: 'the helper has no policy of that class, or the kernel has no function of that name',
  },
  {
    errno: 'EMFILE',
    operation: /expectation create/,
    hint: 'the helper allows no more expectations of this class for one flow, or nf_conntrack_expect_max is reached',
  },
  {
    errno: 'EBUSY',
    operation: /expectation create/,
    hint: 'it clashes with an expectation of another flow',
  },
  {
    errno: 'EEXIST',
    operation: /conntrack (create|upsert)/,
    hint: 'a flow with the original or the reply tuple is already in the table: upsert() or update() change one with the original tuple; a reply tuple that another flow has (a port that is translated to twice) must be another one',
  },
  {
    errno: 'EINVAL',
    operation: /conntrack (create|upsert)/,
    hint: 'a new flow needs both tuples with the same protocol and a timeout, and one zone: of both directions or of one of them, not two that differ; a value may also be one that this kernel does not know',
  },
  {
    errno: 'EBUSY',
    operation: /conntrack (update|upsert|create)/,
    hint: 'the kernel does not let these status bits be changed (expected, confirmed, dying; seen_reply and assured cannot be cleared), nor one helper be swapped for another',
  },
  {
    errno: 'EOPNOTSUPP',
    operation: /conntrack create/,
    hint: 'the kernel has no helper of that name for this protocol (load its module: nf_conntrack_ftp …), or was built without what the detail names',
  },
  {
    errno: 'EOPNOTSUPP',
    operation: /conntrack (update|upsert)/,
    hint: 'NAT, the master tuple and a helper can only be set when a flow is created; so can what the detail names, where the flow has no room for it',
  },
  {
    errno: 'ENOSPC',
    operation: /conntrack (create|upsert)/,
    hint: 'labels have no room in the flow: a rule that uses connlabel must be loaded before it is created; or the chain of the hash table is too long for one more flow (from Linux 5.15 on): see settings().buckets',
  },
  {
    errno: 'ENOSPC',
    operation: /conntrack/,
    hint: 'the flow has no room for labels: a rule that uses connlabel must be loaded before the flow is created',
  },
  { errno: 'ETIME', hint: 'the flow is dying' },
  {
    errno: 'ENOMEM',
    operation: /conntrack (create|upsert)/,
    hint: 'the table may be full: see settings().max and count()',
  },
  {
    errno: 'ENOENT',
    operation: /conntrack (create|upsert)/,
    hint: 'the flow that `master` names is not in the table, or not in this zone',
  },
  {
    errno: 'ENOENT',
    operation: /namespace/,
    hint: 'no such network namespace: give a name under /run/netns, a path, or the pid of a living process',
  },
  {
    errno: 'ENOENT',
    operation: /^ip6?tables commit/,
    hint: 'what a rule names must be there before the rule: load the helper (modprobe nf_conntrack_…), make the timeout policy or the accounting object (nfct add timeout, nfacct add), the cgroup or the pinned program',
  },
  {
    errno: 'ENOENT',
    operation: /^ip6?tables read/,
    detail: /nf_tables/,
    hint: 'the tables of iptables in nf_tables are filter, nat, mangle, raw and security',
  },
  ...['EINVAL', 'EOPNOTSUPP'].map((errno) => ({
    errno,
    operation: /^ip6?tables /,
    detail: /no nf_tables/,
    hint: "this kernel has no nf_tables: open the tables with { backend: 'legacy' }",
  })),
  {
    errno: 'ENOENT',
    operation: /^ip6?tables read/,
    hint: 'the kernel has no such legacy table, or was built without legacy iptables; the rules of this host may live in nf_tables (iptables-nft)',
  },
  {
    errno: 'ETIMEDOUT',
    operation: /^(iptables lock|ip6?tables edit)/,
    hint: 'raise `lockTimeout`, or end what holds the lock',
  },
  {
    errno: 'EINVAL',
    operation: /^iptables lock/,
    hint: 'set XTABLES_LOCKFILE to a regular file (iptables itself uses /run/xtables.lock), and to the same one for every program that writes rules',
  },
  {
    errno: 'ETIMEDOUT',
    operation: /^(conntrack|nf_tables|ipset|tracking)/,
    hint: 'the kernel did not answer within 10 seconds; whether a change was made has to be read',
  },
  {
    errno: 'EPROTONOSUPPORT',
    hint: 'this kernel has no netfilter netlink: load nf_conntrack_netlink (modprobe nf_conntrack_netlink) or build it in',
  },
];

/** The hint for a refusal of this operation; `undefined` where there is none. */
export function hintFor(code: string, operation: string, detail = ''): string | undefined {
  for (const rule of hints) {
    const { errno, operation: of = /^/, detail: saying = /^/ } = rule;
    if (errno === code && of.test(operation) && saying.test(detail)) return rule.hint;
  }
  return undefined;
}
