// Small files of /proc and /proc/sys, read and written on the calling thread (whose network
// namespace decides what /proc/sys/net shows).
#pragma once

#include <string>

#include "core/result.h"

namespace nf {

Result<std::string> read_file(const std::string& path, const char* operation);
Result<void> write_file(const std::string& path, const std::string& text, const char* operation);

}  // namespace nf
