// The places where threads meet. A build for the thread sanitizer (NF_CANARIES) has a data race in
// each of them. The environment variable CANARY switches them on, by name or with `all`. The tests
// use this to show that a race there would be found. Other builds have nothing of it.
#pragma once

#ifdef NF_CANARIES

#include <cstdlib>
#include <string_view>

namespace nf::canary {

inline int relay = 0;        // datagrams of a dump: the thread that receives, the one that decodes
inline int dump_parts = 0;   // the threads of a dump on several sockets
inline int event_queue = 0;  // the thread that reads events, and the taker of them
inline int event_end = 0;    // how that thread is told to end
inline int cancel = 0;       // the thread that raises a Cancel, and the work that looks at it
inline int signal = 0;       // the thread that raises a Signal, and the one that waits for it
inline int thread = 0;       // a thread, and the one that starts it
inline int pool = 0;         // the thread that gives work, and those of the pool
inline int library = 0;      // the first users of a system library
inline int iptables = 0;     // commits of two threads
inline int settle = 0;       // a thread that has an answer, and the JS thread that settles it
inline int dump_stream = 0;  // the thread of a dump in batches, and the JS thread
inline int nft_commits = 0;  // the thread that reads commits of nf_tables, and their taker
inline int pull = 0;         // a thread that JavaScript pulls from, and the JS thread
inline int handle = 0;       // the command sockets of a handle
inline int requesters = 0;   // the threads that send requests, and those that read events

inline const char* const wanted = std::getenv("CANARY");

inline void touch(int& place, std::string_view name) {
  if (wanted != nullptr && (name == wanted || std::string_view("all") == wanted)) place++;
}

}  // namespace nf::canary

#define NF_MEETING(place) ::nf::canary::touch(::nf::canary::place, #place)

#else

#define NF_MEETING(place) static_cast<void>(0)

#endif
