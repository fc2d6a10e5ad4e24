// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pairs of a key and a place, sorted by key on a CUDA device; equal keys keep their order.
//
//     std::uint32_t* const room = q.scratch<std::uint32_t>(sort_words(count), "embedding_backward");
//     sorted_run s = make_sort(room, count);              s.keys, s.places: fill them
//     sort_pairs(q, s, 17);                               now they are sorted by the lowest 17 bits of the keys
// A library's sort would bring a namespace `cuda` of its own into programs that say `using namespace stretto`.
// Cost: three launches for nine bits, 17 bytes of scratch memory a pair.
#pragma once

#include <cstdint>

#include <stretto/cuda/kernels/sort_pairs.cuh>
#include <stretto/cuda/queue.hpp>

namespace stretto::inline v0::cuda {

struct sorted_run {
  std::uint32_t *keys, *places, *other_keys, *other_places, *counts;
  std::int64_t count, blocks;

  memory_run run_of(const std::uint32_t* p) const { return {p, count * 4}; }
};

namespace detail {

constexpr std::int64_t sort_padded(std::int64_t count) { return (count + 63) / 64 * 64; }
constexpr std::int64_t sort_blocks(std::int64_t count) { return (count + sort_tile - 1) / sort_tile; }

}  // namespace detail

constexpr std::int64_t sort_words(std::int64_t count) { return 4 * detail::sort_padded(count) + digits * detail::sort_blocks(count); }

inline sorted_run make_sort(std::uint32_t* room, std::int64_t count) {
  const std::int64_t n = detail::sort_padded(count);
  return {room, room + n, room + 2 * n, room + 3 * n, room + 4 * n, count, detail::sort_blocks(count)};
}

template <class Runtime>
STRETTO_OPERATION void sort_pairs(basic_queue<Runtime>& q, sorted_run& s, int bits) {
  for (int shift = 0; shift < bits; shift += digit_bits) {
    const sort_arguments a{s.keys, s.places, s.other_keys, s.other_places, s.count, s.blocks, shift, s.counts};
    const memory_run counts{s.counts, digits * s.blocks * 4};
    q.launch("sort_count", count_digits<sort_tile>, {.blocks = s.blocks, .threads = sort_threads}, a, reads_of(s.run_of(s.keys)), writes_of(counts));
    q.launch("sort_add_up", add_up<1024>, {.blocks = 1, .threads = 1024}, a, writes_of(counts));
    q.launch("sort_move", move_pairs<sort_tile>, {.blocks = s.blocks, .threads = sort_threads}, a, reads_of(counts, s.run_of(s.keys), s.run_of(s.places)),
             writes_of(s.run_of(s.other_keys), s.run_of(s.other_places)));
    s = {s.other_keys, s.other_places, s.keys, s.places, s.counts, s.count, s.blocks};
  }
}

}  // namespace stretto::inline v0::cuda
