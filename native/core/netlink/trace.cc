// Messages as text.
#include "core/netlink/trace.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "core/netlink/attribute.h"
#include "core/netlink/socket.h"

namespace nf::trace {
namespace {

constexpr std::string_view kSection = "conntrack";
// A longer value is shown by its begin and its size.
constexpr std::size_t kMostBytes = 32;
// The kernel's nests are not deeper than five.
constexpr int kMostNests = 8;

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

// Whether a pattern, in which `*` stands for anything, fits a whole text in small letters.
bool fits(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    if (pattern.size() > 1 && pattern[1] == '*') return fits(pattern.substr(1), text);
    for (std::size_t skip = 0; skip <= text.size(); skip++) {
      if (fits(pattern.substr(1), text.substr(skip))) return true;
    }
    return false;
  }
  return !text.empty() && lower(pattern[0]) == text[0] && fits(pattern.substr(1), text.substr(1));
}

const char* subsystem_name(unsigned subsystem) {
  switch (subsystem) {
    case NFNL_SUBSYS_CTNETLINK:
      return "ctnetlink";
    case NFNL_SUBSYS_CTNETLINK_EXP:
      return "ctnetlink_exp";
    case NFNL_SUBSYS_IPSET:
      return "ipset";
    case NFNL_SUBSYS_NFTABLES:
      return "nftables";
    default:
      return nullptr;
  }
}

void append_type(std::string& text, std::uint16_t type) {
  constexpr const char* control[] = {"0", "noop", "error", "done", "overrun"};
  if (type < std::size(control)) {
    text += control[type];
    return;
  }
  const unsigned subsystem = type >> 8;
  const char* name = subsystem_name(subsystem);
  text += name != nullptr ? name : "subsystem " + std::to_string(subsystem);
  text += " message " + std::to_string(type & 0xff);
}

void append_flags(std::string& text, std::uint16_t flags) {
  // The meaning of 0x100 … 0x800 depends on the message; the bits themselves do not.
  constexpr struct {
    std::uint16_t bit;
    const char* name;
  } names[] = {{NLM_F_REQUEST, "request"},
               {NLM_F_MULTI, "multi"},
               {NLM_F_ACK, "ack"},
               {NLM_F_ECHO, "echo"},
               {NLM_F_DUMP_INTR, "dump_intr"}};
  std::string known;
  for (const auto& [bit, name] : names) {
    if ((flags & bit) == 0) continue;
    known += (known.empty() ? "" : "|") + std::string(name);
    flags = static_cast<std::uint16_t>(flags & ~bit);
  }
  if (flags != 0) {
    constexpr char digits[] = "0123456789abcdef";
    known += known.empty() ? "0x" : "|0x";
    for (int shift = 12; shift >= 0; shift -= 4) {
      if (flags >> shift != 0) known += digits[flags >> shift & 0xf];
    }
  }
  text += " flags " + (known.empty() ? "0" : known);
}

void append_bytes(std::string& text, const std::uint8_t* data, std::size_t size) {
  constexpr char digits[] = "0123456789abcdef";
  for (std::size_t i = 0; i < std::min(size, kMostBytes); i++) {
    text += digits[data[i] >> 4];
    text += digits[data[i] & 0xf];
  }
  if (size > kMostBytes) text += "... (" + std::to_string(size) + " bytes)";
}

void append_attributes(std::string& text, const std::uint8_t* data, std::size_t size, int nests) {
  AttributeCursor cursor(data, size);
  const char* separator = "";
  for (Attribute a; cursor.next(a); separator = " ") {
    std::uint16_t type = 0;
    std::memcpy(&type, a.data - kAttributeHeader + sizeof(std::uint16_t), sizeof type);
    text += separator + std::to_string(a.type);
    if ((type & NLA_F_NESTED) != 0 && nests < kMostNests) {
      text += '{';
      append_attributes(text, a.data, a.size, nests + 1);
      text += '}';
    } else {
      text += '=';
      append_bytes(text, a.data, a.size);
    }
  }
  if (!cursor.intact()) text += std::string(separator) + "(malformed)";
}

void append_message(std::string& text, const MessageView& message) {
  const nlmsghdr& header = *message.header;
  append_type(text, header.nlmsg_type);
  append_flags(text, header.nlmsg_flags);
  text += " sequence " + std::to_string(header.nlmsg_seq);
  if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) {
    const Acknowledgement end = read_acknowledgement(message);
    text += " errno " + std::to_string(end.code);
    if (!end.text.empty()) text += " \"" + end.text + '"';
    return;
  }
  constexpr std::size_t skip = align4(sizeof(nfgenmsg));
  if (message.size < skip) return;
  nfgenmsg generic{};
  std::memcpy(&generic, message.payload, sizeof generic);
  text += " family " + std::to_string(generic.nfgen_family);
  text += " {";
  append_attributes(text, message.payload + skip, message.size - skip, 0);
  text += '}';
}

}  // namespace

bool names_conntrack(std::string_view list) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (fits(list.substr(0, comma), kSection)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

bool wanted() {
  static const bool answer = [] {
    const char* list = std::getenv("NODE_DEBUG");
    return list != nullptr && names_conntrack(list);
  }();
  return answer;
}

std::string describe(std::string_view way, const void* data, std::size_t size) {
  std::string text;
  MessageWalker walker(static_cast<const std::uint8_t*>(data), size);
  const auto begin = [&] {
    text += "CONNTRACK " + std::to_string(::getpid()) + ": ";
    text += way;
    text += ' ';
  };
  for (MessageView message; walker.next(message);) {
    begin();
    append_message(text, message);
    text += '\n';
  }
  if (!walker.intact()) {
    begin();
    text += "bytes that are no message\n";
  }
  return text;
}

void tell(std::string_view way, int socket, const void* data, std::size_t size) {
  std::string lead(way);
  lead += " on " + std::to_string(socket) + ':';
  const std::string text = describe(lead, data, size);
  // One write, so that lines of several threads do not mix. What it does not take is lost.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace nf::trace
