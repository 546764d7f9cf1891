// Turns messages of an event socket into runs of events. The reading thread owns it. So decoding
// and filtering take no lock, and the taker of the events does not wait for them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/conntrack/events/event_sink.h"
#include "core/conntrack/events/own_events.h"
#include "core/conntrack/filter/filter.h"
#include "core/netlink/socket.h"

namespace nf::ct {

// Which events a stream wants. One of which it is not known is no own one.
enum class OwnWanted : std::uint8_t { kAll, kOnlyOwn, kNotOwn };

class EventDecoder {
 public:
  // The filter and `own` outlive the decoder. `expectations`: whole messages instead of rows.
  EventDecoder(const Filter* filter, bool expectations, OwnEvents* own, OwnWanted wanted)
      : filter_(filter), expectations_(expectations), own_(own), wanted_(wanted) {}

  // The message must stay in its place until `flush`. Hands a run over when it is full.
  void add(const MessageView& message, std::int32_t nsid, EventSink& sink);
  void undecodable() { undecodable_++; }
  // Hands over the events so far. Call it before the receive buffers are used again.
  void flush(EventSink& sink);

 private:
  // So many rows stay in the nearest cache until the sink has read them.
  static constexpr std::size_t kRun = 32;
  bool decode(const MessageView& message, Row& row);

  const Filter* filter_;
  const bool expectations_;
  OwnEvents* own_;
  const OwnWanted wanted_;
  std::array<Row, kRun> rows_;
  std::array<ExpectationEvent, kRun> messages_;
  std::size_t used_ = 0;  // of one of these two
  std::uint64_t filtered_ = 0;
  std::uint64_t undecodable_ = 0;
};

}  // namespace nf::ct
