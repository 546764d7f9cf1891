// Reads packed fields (schema/fields.h). They come from TypeScript of the same package, so bytes
// that make no sense are a programming error: the request is not sent.
#pragma once

#include <errno.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/conntrack/schema/fields.h"
#include "core/netlink/attribute.h"
#include "core/operation.h"
#include "core/result.h"

namespace nf::ct {

// The refusal; it names what makes no sense.
inline Error bad_fields(const char* what) { return fail(EINVAL, operation::kRequest, what); }

struct PackedField {
  Field field;
  std::span<const std::uint8_t> value;

  template <typename T>
  T number() const {
    T result{};
    std::memcpy(&result, value.data(), sizeof result);
    return result;
  }
};

// Walks packed fields. False at the end, or if the bytes make no sense (`intact` tells).
class FieldCursor {
 public:
  explicit FieldCursor(std::span<const std::uint8_t> bytes) : left_(bytes) {}
  bool next(PackedField& out) {
    if (left_.empty()) return false;
    std::uint16_t header[2] = {};
    if (left_.size() < sizeof header) return broken();
    std::memcpy(header, left_.data(), sizeof header);
    if (header[0] > left_.size() - sizeof header ||
        header[1] >= static_cast<std::uint16_t>(Field::count)) {
      return broken();
    }
    out.field = static_cast<Field>(header[1]);
    out.value = left_.subspan(sizeof header, header[0]);
    left_ = left_.subspan(std::min(left_.size(), sizeof header + align4(header[0])));
    return true;
  }
  bool intact() const { return intact_; }

 private:
  bool broken() {
    intact_ = false;
    return false;
  }
  std::span<const std::uint8_t> left_;
  bool intact_ = true;
};

}  // namespace nf::ct
