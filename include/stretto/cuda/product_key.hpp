// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// product_key: all that a library's choice of algorithm for a matrix product may hang on. Products of one key are done alike.
//
//     key.words()   "bf16 fp32 TN 768x3072x4096 gaps 768 3072 3072 3072 0 align 16 16 16 16 sums adds"
//
//     a table of choices, a line each:    NVIDIA_H200 130100 bf16 fp32 TN 768x… sums adds : 1f 3a … (eight numbers of the library's)
// The name of the device and the version of the library stand before the key, so one table may be of several of both; what
// isn't in it is chosen by the library's own rules. bench/cuda/choose_products.cu writes tables. Cost: none in a step: a plan
// is made at a key's first product, and kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/tensor/element.hpp>

namespace stretto::inline v0::cuda {

/// What a library does behind the sums, as bits.
enum product_epilogue : int { product_bias = 1, product_gelu = 2, product_before = 4 };

struct product_key {
  element_type input = element_type::float32, output = element_type::float32;
  bool tf32 = false, a_transposed = false, b_transposed = false;
  bool adds = false;  ///< to a source: c itself, or a residual
  int epilogue = 0;
  std::int64_t rows = 0, columns = 0, depth = 0;
  std::int64_t a_gap = 0, b_gap = 0, c_gap = 0, source_gap = 0, before_gap = 0;
  int a_align = 16, b_align = 16, c_align = 16, source_align = 16;  ///< of addresses, in bytes, up to 16

  friend bool operator==(const product_key&, const product_key&) = default;

  std::string words() const {
    text t(element_name(input), tf32 ? " tf32 " : " ", element_name(output), " ", a_transposed ? "T" : "N", b_transposed ? "T" : "N", " ", rows, "x", columns, "x", depth);
    t.add(" gaps ", a_gap, " ", b_gap, " ", c_gap, " ", source_gap, " ", before_gap, " align ", a_align, " ", b_align, " ", c_align, " ", source_align, " sums");
    t.add((epilogue & product_bias) != 0 ? " bias" : "", (epilogue & product_gelu) != 0 ? " gelu" : "",
          (epilogue & product_before) != 0 ? " before" : "", adds ? " adds" : "");
    return std::string(t.str());
  }
};

struct product_key_hash {
  std::size_t operator()(const product_key& k) const {
    std::uint64_t h = 14695981039346656037u;
    for (const std::int64_t x : {static_cast<std::int64_t>(k.input) * 256 + static_cast<std::int64_t>(k.output), std::int64_t{k.tf32} * 8 + k.a_transposed * 4 + k.b_transposed * 2 + k.adds,
                                 std::int64_t{k.epilogue}, k.rows, k.columns, k.depth, k.a_gap, k.b_gap, k.c_gap, k.source_gap, k.before_gap,
                                 std::int64_t{k.a_align} << 24 | k.b_align << 16 | k.c_align << 8 | k.source_align})
      h = (h ^ static_cast<std::uint64_t>(x)) * 1099511628211u, h ^= h >> 29;
    return static_cast<std::size_t>(h);
  }
};

/// The algorithm that a table has for a key, as the library's eight numbers; false where it has none.
inline bool find_product_choice(std::string_view table, std::string_view machine, std::int64_t version, const product_key& key, std::uint64_t (&choice)[8]) {
  std::string begin(machine);
  for (char& c : begin)
    if (c == ' ') c = '_';
  begin += text(" ", version, " ", key.words(), " : ").str();
  for (std::size_t at = 0; at < table.size();) {
    const std::size_t end = table.find('\n', at) == std::string_view::npos ? table.size() : table.find('\n', at);
    std::string_view line = table.substr(at, end - at);
    at = end + 1;
    if (line.substr(0, begin.size()) != begin) continue;
    line.remove_prefix(begin.size());
    for (std::uint64_t& word : choice) {
      while (!line.empty() && line[0] == ' ') line.remove_prefix(1);
      int digits = 0;
      for (word = 0; !line.empty() && line[0] != ' '; ++digits, line.remove_prefix(1)) {
        const char c = line[0];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0 || digits >= 16) digits = 17;
        word = word << 4 | static_cast<std::uint64_t>(digit & 15);
        if (digits > 16) break;
      }
      if (digits == 0 || digits > 16)
        throw error(text("stretto: the table of products has for ", begin, "no eight numbers in hexadecimal; write it with choose_products").str());
    }
    return true;
  }
  return false;
}

/// A line of such a table.
inline std::string product_choice_line(std::string_view machine, std::int64_t version, const product_key& key, const std::uint64_t (&choice)[8]) {
  std::string line(machine);
  for (char& c : line)
    if (c == ' ') c = '_';
  line += text(" ", version, " ", key.words(), " :").str();
  for (const std::uint64_t word : choice) {
    char digits[17] = {};
    int count = 0;
    for (int shift = 60; shift >= 0; shift -= 4) {
      const int digit = static_cast<int>(word >> shift & 15);
      if (count > 0 || digit != 0 || shift == 0) digits[count++] = static_cast<char>(digit < 10 ? '0' + digit : 'a' + digit - 10);
    }
    line += ' ';
    line += digits;
  }
  return line + '\n';
}

}  // namespace stretto::inline v0::cuda
