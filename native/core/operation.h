// What the operations are called in errors. Each is what a caller asked for, or a step of it.
// The operations of one table are made of its tool and its name ("ip6tables read filter"): the
// files of legacy do that.
#pragma once

namespace nf::operation {

inline constexpr const char* kOpen = "conntrack open";
inline constexpr const char* kClose = "conntrack close";
inline constexpr const char* kDump = "conntrack dump";
inline constexpr const char* kGet = "conntrack get";
inline constexpr const char* kCount = "conntrack count";
inline constexpr const char* kStats = "conntrack stats";
inline constexpr const char* kCreate = "conntrack create";
inline constexpr const char* kUpdate = "conntrack update";
inline constexpr const char* kWrite = "conntrack write";  // one of the two
inline constexpr const char* kDelete = "conntrack delete";
inline constexpr const char* kFlush = "conntrack flush";
inline constexpr const char* kEvents = "conntrack events";
inline constexpr const char* kTracking = "conntrack tracking";
// Steps that read what src/conntrack packed.
inline constexpr const char* kFilter = "conntrack filter";
inline constexpr const char* kRequest = "conntrack request";
inline constexpr const char* kTuple = "conntrack tuple";

inline constexpr const char* kExpectList = "conntrack expectation list";
inline constexpr const char* kExpectGet = "conntrack expectation get";
inline constexpr const char* kExpectCreate = "conntrack expectation create";
inline constexpr const char* kExpectDelete = "conntrack expectation delete";
inline constexpr const char* kExpectFlush = "conntrack expectation flush";
inline constexpr const char* kExpectStats = "conntrack expectation stats";

inline constexpr const char* kTables = "iptables tables";
inline constexpr const char* kRead = "iptables read";
inline constexpr const char* kChanges = "iptables changes";
inline constexpr const char* kChanges6 = "ip6tables changes";
inline constexpr const char* kEdit = "iptables edit";
inline constexpr const char* kCommit = "iptables commit";
inline constexpr const char* kLock = "iptables lock";
inline constexpr const char* kLook = "iptables look";
inline constexpr const char* kProbe = "iptables extension probe";
inline constexpr const char* kNftLook = "nf_tables look";
inline constexpr const char* kSets = "ipset lookup";

inline constexpr const char* kNamespaceOpen = "network namespace open";
inline constexpr const char* kNamespaces = "network namespaces";

}  // namespace nf::operation
