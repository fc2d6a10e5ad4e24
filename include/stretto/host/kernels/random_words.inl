// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// random_stream::bits of neighbouring elements. With Pairs the words of elements at even places stand in one run and those
// at odd places in another, as bf16 are read.

template <bool Pairs>
struct random_words {
  static constexpr std::int64_t room = 512;  ///< elements that are drawn at a time
  static constexpr int blocks = width / 2;   ///< of a vector
  std::uint32_t seed_keys[10], layer_keys[10], step;
  alignas(64) std::uint32_t words[(Pairs ? room / 2 : room) + 96];
  alignas(64) std::uint32_t odd[Pairs ? room / 2 + 96 : 16];
  std::int64_t offset = 0;  ///< of the first element in the runs

  explicit random_words(const random_stream& r) : step(r.step) {
    for (int round = 0; round < 10; ++round) {
      seed_keys[round] = r.seed + 0x9E3779B9u * static_cast<std::uint32_t>(round);
      layer_keys[round] = r.layer + 0xBB67AE85u * static_cast<std::uint32_t>(round);
    }
  }

  /// n elements of a sample, at most `room`. Meanwhile the numbers at `ahead` come into the cache.
  template <class T>
  void draw(std::uint32_t sample, std::uint64_t element, std::int64_t n, const T* ahead) {
    offset = static_cast<std::int64_t>(element % 4);
    std::uint32_t places[width], steps[width];
    for (int i = 0; i < blocks; ++i) {
      // Where words are to be in order wide_zip takes blocks from both halves of a vector.
      const std::uint64_t at = element / 4 + static_cast<std::uint64_t>(Pairs ? i : i / 2 + i % 2 * (blocks / 2));
      places[2 * i] = static_cast<std::uint32_t>(at), places[2 * i + 1] = static_cast<std::uint32_t>(at >> 32);
      steps[2 * i] = blocks, steps[2 * i + 1] = 0;
    }
    ints place = load_ints(places);
    const ints next = load_ints(steps), a = set_ints(0xD2511F53u), b = set_ints(0xCD9E8D57u);
    const std::int64_t needed = (offset + n + 3) / 4;
    for (std::int64_t k = 0; k < needed; k += blocks, place = wide_add(place, next)) {
      for (std::int64_t line = 4 * k; line < 4 * (k + blocks); line += 64 / sizeof(T)) __builtin_prefetch(ahead + line);
      ints c0 = place, c1 = wide_upper(place), c2 = set_ints(sample), c3 = set_ints(step);
#pragma GCC unroll 10
      for (int round = 0; round < 10; ++round) {
        const ints p = wide_multiply(a, c0), q = wide_multiply(b, c2);
        c0 = xor_ints(xor_ints(wide_upper(q), c1), set_ints(seed_keys[round]));
        c1 = q;
        c2 = xor_ints(xor_ints(wide_upper(p), c3), set_ints(layer_keys[round]));
        c3 = p;
      }
      if constexpr (Pairs) {
        store_ints(words + 2 * k, wide_join(c0, c2));
        store_ints(odd + 2 * k, wide_join(c1, c3));
      } else {
        ints first = wide_join(c0, c1), second = wide_join(c2, c3);
        wide_zip(first, second);
        store_ints(words + 4 * k, first);
        store_ints(words + 4 * k + width, second);
      }
    }
  }

  /// Lanes beyond some are anything.
  template <class Get>
  ints at(std::int64_t i, Get) const {
    const std::int64_t first = offset + i;
    if constexpr (!Pairs) {
      return load_ints(words + first);
    } else if constexpr (std::is_same_v<Get, even_lanes>) {
      return load_ints((first % 2 == 0 ? words : odd) + first / 2);
    } else if constexpr (std::is_same_v<Get, odd_lanes>) {
      return load_ints((first % 2 == 0 ? odd : words) + (first + 1) / 2);
    } else {
      std::uint32_t t[width];
      for (int k = 0; k < width; ++k) t[k] = *((first + k) % 2 == 0 ? words + (first + k) / 2 : odd + (first + k) / 2);
      return load_ints(t);
    }
  }
};
