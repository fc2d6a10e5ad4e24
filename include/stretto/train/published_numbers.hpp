// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Moves the numbers of a tensor between a file of other tools and a parameter: in blocks of rows of a MiB, from and to F64,
// F32, BF16 and F16, turned round where the file has it (in, out).
//
//     file, (in, out)    row 0 1 2 … ─► block ─► columns 0 1 2 … of the parameter, (out, in)
// Numbers are rounded once, to the nearest. Cost: each number is read and written once; no tensor is held whole.
#pragma once

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include <stretto/stage/parameters.hpp>
#include <stretto/train/published_names.hpp>
#include <stretto/train/safetensors_shards.hpp>

namespace stretto::inline v0::detail {

/// Calls f with a number of that type.
template <class F>
void with_stored(stored_type t, F&& f) {
  switch (t) {
    case stored_type::float64: return f(double{});
    case stored_type::float32: return f(float{});
    case stored_type::bfloat16: return f(bf16{});
    case stored_type::float16: return f(fp16{});
    default: throw error(text("stretto: weights are not written as ", stored_name(t), "; choose F64, F32, BF16 or F16").str());
  }
}
/// Calls f with the parameter's numbers, or a copy of those of a device; `changes`: which is copied back then.
template <class F>
void with_numbers(const parameter& p, bool changes, F&& f) {
  const auto with = [&]<class V>(V* numbers) {
    if (p.reachable) return static_cast<void>(f(numbers));
    std::vector<V> here(static_cast<std::size_t>(p.count));
    const auto bytes = p.count * static_cast<std::int64_t>(sizeof(V));
    p.copy(here.data(), p.value, bytes);
    f(here.data());
    if (changes) p.copy(p.value, here.data(), bytes);
  };
  if (p.type == number_type::float64) with(static_cast<double*>(p.value));
  else with(static_cast<float*>(p.value));
}

/// Rows of a tensor there, as many as make a MiB: calls each(first, count).
template <class S, class F>
void published_blocks(const published_tensor& t, F&& each) {
  const std::int64_t most = (std::max)(std::int64_t{1}, (std::int64_t{1} << 20) / (t.columns() * static_cast<std::int64_t>(sizeof(S))));
  for (std::int64_t row = 0; row < t.rows(); row += most) each(row, (std::min)(most, t.rows() - row));
}
/// Calls move(place in the block, place in the parameter) for each number of these rows.
template <class F>
void published_places(const published_tensor& t, std::int64_t row, std::int64_t rows, F&& move) {
  const std::int64_t columns = t.columns();
  if (t.transposed) {
    for (std::int64_t j = 0; j < columns; ++j)
      for (std::int64_t i = 0, to = t.place(row, j); i < rows; ++i) move(i * columns + j, to + i);
  } else {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0, to = t.place(row + i, 0); j < columns; ++j) move(i * columns + j, to + j);
  }
}

template <class V>
void read_published(const safetensors_set& from, const stored_tensor& stored, const published_tensor& t, V* to) {
  with_stored(stored.type, [&]<class S>(S) {
    std::vector<S> block;
    published_blocks<S>(t, [&](std::int64_t row, std::int64_t rows) {
      const std::int64_t count = rows * t.columns(), size = sizeof(S);
      block.resize(static_cast<std::size_t>(count));
      from.read(stored.name, row * t.columns() * size, block.data(), count * size);
      published_places(t, row, rows, [&](std::int64_t there, std::int64_t here) { to[here] = static_cast<V>(static_cast<computes_in<S>>(block[static_cast<std::size_t>(there)])); });
    });
  });
}

template <class V>
void write_published(sharded_safetensors_writer& out, const published_tensor& t, stored_type type, const V* from) {
  with_stored(type, [&]<class S>(S) {
    std::vector<S> block;
    published_blocks<S>(t, [&](std::int64_t row, std::int64_t rows) {
      block.resize(static_cast<std::size_t>(rows * t.columns()));
      published_places(t, row, rows, [&](std::int64_t there, std::int64_t here) {
        const S number = block[static_cast<std::size_t>(there)] = static_cast<S>(static_cast<computes_in<S>>(from[here]));
        if (!std::isfinite(static_cast<computes_in<S>>(number)) && std::isfinite(from[here]))
          throw error(text("stretto: tensor '", t.name, "' has numbers that ", stored_name(type), " can't hold; write it as F32 or BF16").str());
      });
      out.write(t.name, block.data(), static_cast<std::int64_t>(block.size() * sizeof(S)));
    });
  });
}

/// Rows from `rows` on become the mean of those before.
template <class V>
void pad_with_mean(V* table, std::int64_t rows, std::int64_t all, std::int64_t columns) {
  for (std::int64_t j = 0; rows < all && j < columns; ++j) {
    double sum = 0;
    for (std::int64_t i = 0; i < rows; ++i) sum += static_cast<double>(table[i * columns + j]);
    for (std::int64_t i = rows; i < all; ++i) table[i * columns + j] = static_cast<V>(sum / static_cast<double>(rows));
  }
}

}  // namespace stretto::inline v0::detail
