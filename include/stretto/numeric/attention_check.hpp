// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What attention refuses, on any device, and its options in the numbers that kernels want.
//
//     detail::check_attention(queries.extents(), …);             throws where shapes or options don't go together
//     const attention_rule rule = detail::attention_rule_of(options, head_size);
// Cost: a few comparisons a call.
#pragma once

#include <cmath>
#include <cstdint>

#include <stretto/numeric/attention_mask.hpp>

namespace stretto::inline v0 {

inline constexpr std::int64_t attention_largest = 256;  ///< head size

/// attention_options in the numbers that kernels want.
struct attention_rule {
  bool causal;
  std::int64_t window;
  float scale, cap;
  std::uint32_t dropped_below;  ///< 0: no dropout
  float kept;                   ///< what weights that stay are multiplied by
  random_stream stream;
  std::int64_t first_head;
  bool accumulate;
  const std::uint32_t* step_at = nullptr;  ///< in a device's memory: the stream's step; null: as it says

  /// The first and the last position that a query at q sees.
  std::int64_t low(std::int64_t q) const {
    const std::int64_t l = q - window + 1;
    return window == 0 || l < INT32_MIN ? INT32_MIN : l;
  }
  std::int64_t high(std::int64_t q) const { return causal ? q : INT32_MAX; }
};

namespace detail {

/// Throws where the places of `count` tokens aren't of them, or leave the range of positions.
template <class Space>
void check_attention_places(const token_places_in<Space>& at, std::int64_t count, const char* side) {
  if ((at.positions.data() != nullptr && at.positions.size() != count) || (at.documents.data() != nullptr && at.documents.size() != count))
    throw error(text("stretto: attention to ", count, " tokens of ", side, " is given ", at.positions.data() != nullptr ? at.positions.size() : count, " positions and ",
                     at.documents.data() != nullptr ? at.documents.size() : count, " documents; give one a token, or none").str());
  const std::int64_t most = 2147483647, last = count > 0 ? count - 1 : 0;
  const bool fits = at.offset >= -most && at.offset <= most && at.step >= -most && at.step <= most && last <= most;
  if (at.positions.data() == nullptr && (!fits || at.offset + at.step * last > most || at.offset + at.step * last < -most))
    throw error(text("stretto: ", count, " tokens of ", side, " from position ", at.offset, " on with step ", at.step, " leave the range of 32 bits; number them from 0").str());
}

/// Throws where shapes or options don't go together.
template <class Space>
void check_attention(const shape<3>& queries, const shape<3>& keys, const shape<3>& values, const shape<3>& output, const shape<2>& lse, const token_places_in<Space>& at_queries,
                     const token_places_in<Space>& at_keys, const attention_options& o) {
  if (keys != values || keys[2] != queries[2])
    throw error(text("stretto: attention of queries of shape ", queries.words().str(), " is given keys of ", keys.words().str(), " and values of ", values.words().str(),
                     "; give (tokens, heads, head size) with one head size, and as many values as keys").str());
  if (keys[2] < 1 || keys[2] > attention_largest) throw error(text("stretto: attention has head size ", keys[2], "; give 1 to 256").str());
  if (queries[1] < 1 || keys[1] < 1 || queries[1] % keys[1] != 0)
    throw error(text("stretto: ", queries[1], " heads of queries can't share ", keys[1], " of keys and values evenly; make the first a multiple of the second").str());
  if (output != queries)
    throw error(text("stretto: attention of queries of shape ", queries.words().str(), " doesn't give outputs of ", output.words().str(), "; make them alike").str());
  if (lse[0] != queries[0] || lse[1] != queries[1])
    throw error(text("stretto: attention of queries of shape ", queries.words().str(), " has one lse and one delta a token and head, not ", lse.words().str(), "; give (tokens, heads)").str());
  if ((at_queries.documents.data() == nullptr) != (at_keys.documents.data() == nullptr))
    throw error("stretto: attention is given the documents of its queries or of its keys alone; give both, or none");
  const auto fits = [](double x) { return x == 0 || (std::abs(x) >= 1e-30 && std::abs(x) <= 1e30); };
  if (o.window < 0 || !(o.soft_cap >= 0) || !fits(o.soft_cap) || !fits(o.scale) || !(o.dropout >= 0 && o.dropout < 1))
    throw error("stretto: attention takes a window and a soft cap of 0 or more, a scale and a soft cap from 1e-30 to 1e30, and a dropout of 0 or more and below 1; correct its options");
}

inline attention_rule attention_rule_of(const attention_options& o, std::int64_t head_size) {
  const double scale = o.scale != 0 ? o.scale : 1 / std::sqrt(static_cast<double>(head_size));
  const std::int64_t window = o.window < std::int64_t{1} << 33 ? o.window : 0;  // no two positions are further apart
  return {o.causal,   window,     static_cast<float>(scale), static_cast<float>(o.soft_cap), dropped_below(o.dropout), static_cast<float>(1 / (1 - o.dropout)),
          o.stream, o.first_head, o.accumulate};
}

}  // namespace detail

}  // namespace stretto::inline v0
