// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rotary embedding, embedding and the sort of ids behind its gradient, as shares of a copy; CUB's sort beside ours.
#include <stretto/cuda/embedding.cuh>
#include <stretto/cuda/rotary.cuh>

#include <vector>

#include "parts.cuh"

namespace bench {

namespace {

constexpr double embedding_backward_bound = 0.60;

void rotaries(machine& m) {
  const std::int64_t heads = 32, size = 128, positions = 4096;
  const shape<2> s = m.matrix_of<bf16>(heads * size);
  const shape<3> by_head{{s[0], heads, size}};
  const auto x = m.drawn<bf16>(by_head, 1);
  on_device<bf16, 3> y(by_head);
  tensor<std::int32_t, 1> at(shape<1>{{s[0]}});
  for (std::int64_t i = 0; i < s[0]; ++i) at.data()[i] = static_cast<std::int32_t>(i % positions);
  on_device<std::int32_t, 1> there(at.extents());
  cuda::to_device(there, at.data());
  const cuda::device::rotary_table<bf16> table(rotary_table<float>(positions, size));
  // Of a product's columns: 32 heads of queries, 8 of keys, 8 of values.
  const std::int64_t shared = 8, tokens = std::max<std::int64_t>(s[0] * heads / (heads + 2 * shared), 4);
  const auto qkv = m.drawn<bf16>(shape<2>{{tokens, (heads + 2 * shared) * size}}, 2);
  on_device<bf16, 3> queries(shape<3>{{tokens, heads, size}}), keys(shape<3>{{tokens, shared, size}}), values(keys.extents());
  auto& q = m.q;
  turns t = beside_a_copy(m);
  t.add({"rotary", "bf16", by(s), 4.0 * static_cast<double>(s.count())}, [&] { rotary(q, x, there, table, y); });
  t.add({"rotary in place", "bf16", by(s), 4.0 * static_cast<double>(s.count())}, [&] { rotary(q, y, there, table, y); });
  t.add({"split_rotary", "bf16", by(qkv.extents()), 4.0 * static_cast<double>(qkv.size())},
        [&] { split_rotary(q, qkv, there.part(0, 0, tokens), table, queries, keys, values); });
  t.run();
}

/// Ids as they come: each alike, or as in text, where the k-th most frequent comes about 1 / k as often as the first.
std::vector<std::int32_t> ids_of(std::int64_t tokens, std::int64_t vocabulary, bool as_text) {
  std::vector<double> up_to;
  double all = 0;
  for (std::int64_t i = 0; i < vocabulary; ++i) up_to.push_back(all += as_text ? 1.0 / (static_cast<double>(i) + 2.7) : 1.0);
  std::vector<std::int32_t> ids;
  std::uint64_t h = 88172645463325252ull;
  for (std::int64_t t = 0; t < tokens; ++t) {
    h ^= h << 13, h ^= h >> 7, h ^= h << 17;
    const double at = static_cast<double>(h >> 11) * 0x1p-53 * all;
    const std::int64_t rank = std::min<std::int64_t>(std::upper_bound(up_to.begin(), up_to.end(), at) - up_to.begin(), vocabulary - 1);
    ids.push_back(static_cast<std::int32_t>(rank * 7919 % vocabulary));  // 7919 is prime, so each id has a rank of its own
  }
  return ids;
}

void embeddings(machine& m, std::int64_t columns, bool as_text) {
  const std::int64_t vocabulary = m.how.quick ? 500 : 50304;
  const shape<2> s = m.matrix_of<bf16>(columns);
  const auto ids = ids_of(s[0], vocabulary, as_text);
  std::vector<bool> seen(static_cast<std::size_t>(vocabulary));
  double rows = 0;
  for (const std::int32_t id : ids)
    if (!seen[static_cast<std::size_t>(id)]) seen[static_cast<std::size_t>(id)] = true, ++rows;
  on_device<std::int32_t, 1> there(shape<1>{{s[0]}});
  cuda::to_device(there, ids.data());
  const auto weight = m.drawn<bf16>(shape<2>{{vocabulary, columns}}, 1), dy = m.drawn<bf16>(s, 2);
  on_device<bf16, 2> y(s);
  on_device<float, 2> dweight(weight.extents());
  const double one = 2 * static_cast<double>(s.count());
  const std::string name = as_text ? "ids as in text" : "all ids alike";
  auto& q = m.q;
  turns t = beside_a_copy(m);
  t.add({"embedding, " + name, "bf16", by(s), 2 * one}, [&] { embedding(q, there, weight, y); });
  t.add({"embedding_backward, " + name, "bf16", by(s), one + rows * static_cast<double>(columns) * 8, embedding_backward_bound}, [&] { embedding_backward(q, there, dy, dweight); });
  t.run();
}

void sorts(machine& m) {
  const int bits = 17;
  const std::int64_t count = m.how.quick ? 1 << 12 : 1 << 17;
  std::vector<std::int32_t> ids = ids_of(count, 100000, true);
  on_device<std::int32_t, 1> keys(shape<1>{{count}}), places(keys.extents()), room(shape<1>{{cuda::sort_words(count)}});
  cuda::to_device(keys, ids.data());
  for (std::int64_t i = 0; i < count; ++i) ids[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i);
  cuda::to_device(places, ids.data());
  on_device<std::int32_t, 1> sorted_keys(keys.extents()), sorted_places(keys.extents());
  const std::int64_t bytes = cub_sort_bytes(count, bits);
  on_device<double, 1> cub_room(shape<1>{{bytes / 8 + 1}});
  const auto words = [](const on_device<std::int32_t, 1>& t) { return reinterpret_cast<std::uint32_t*>(t.data()); };
  auto& q = m.q;
  cuda::sorted_run run = cuda::make_sort(words(room), count);
  turns t = beside_a_copy(m);
  t.add({"sort_pairs", std::to_string(bits) + " bits", std::to_string(count), 16.0 * static_cast<double>(count)}, [&] { cuda::sort_pairs(q, run, bits); },
        [&] {
          run = cuda::make_sort(words(room), count);
          q.copy_bytes(run.keys, keys.data(), 4 * count), q.copy_bytes(run.places, places.data(), 4 * count);
        });
  t.beside("CUB", [&] { cub_sort(cub_room.data(), bytes, words(keys), words(sorted_keys), words(places), words(sorted_places), count, bits, q.where()); });
  t.run();
}

}  // namespace

void gathers(machine& m) {
  rotaries(m);
  for (const bool as_text : {false, true}) embeddings(m, 4096, as_text);
  embeddings(m, 1024, true);
  sorts(m);
}

}  // namespace bench
