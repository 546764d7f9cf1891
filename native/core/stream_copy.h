// Copies past the caches: for memory that is written once, in whole lines, and not read soon. The
// lines of the target are not fetched first, and what the caches hold stays there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace nf {

inline constexpr std::size_t kCacheLine = 64;

// Both aligned to a cache line, `size` whole lines. Another thread sees it only after
// `end_stream_copy`.
inline void stream_copy(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
#ifdef __SSE2__
  for (std::size_t at = 0; at < size; at += sizeof(__m128i)) {
    const auto* source = reinterpret_cast<const __m128i*>(from + at);
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + at), _mm_load_si128(source));
  }
#else
  std::memcpy(to, from, size);
#endif
}

inline void end_stream_copy() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

}  // namespace nf
