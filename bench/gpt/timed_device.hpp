// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// host::device whose queue notes how long each operation takes, so that a step can be told by operations while it runs:
// layers call operations by their plain names, and the queue's type finds these, which call those of the host.
//
//     diary notes;  transformer<bench::device, float>(shape, {.queue = {{}, &notes}})
//     notes.lines()      after a step: what, in which sizes, how often, seconds, floating-point operations
// Seconds are of the thread's CPU time. Cost: two readings of that clock an operation, about a microsecond, where the
// shortest operations of the model that is measured take some ten.
#pragma once

#include <time.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include <stretto/host.hpp>

namespace bench {

using namespace stretto;

inline double seconds_of(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// What one kind of operation came to.
struct noted {
  std::string_view what;
  std::int64_t rows = 0, columns = 0, depth = 0;  ///< of products; else 0
  std::int64_t calls = 0;
  double seconds = 0, operations = 0;
};

/// Of one rank.
class notes {
 public:
  noted& line(std::string_view what, std::int64_t rows, std::int64_t columns, std::int64_t depth) {
    for (noted& n : lines_)
      if (n.rows == rows && n.columns == columns && n.depth == depth && n.what == what) return n;
    lines_.push_back({what, rows, columns, depth});
    return lines_.back();
  }
  std::vector<noted> lines_;
};

/// Of all ranks of a pipeline. Look at it when no step is under way.
class diary {
 public:
  notes& open() {
    const std::lock_guard lock(mutex_);
    of_rank_.push_back(std::make_unique<notes>());
    return *of_rank_.back();
  }
  void clear() {
    for (auto& n : of_rank_) n->lines_.clear();
  }
  std::vector<noted> lines() const {
    std::vector<noted> all;
    for (const auto& n : of_rank_) all.insert(all.end(), n->lines_.begin(), n->lines_.end());
    return all;
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<notes>> of_rank_;
};

struct options : host::queue_options {
  diary* to = nullptr;
};

class queue : public host::queue {
 public:
  explicit queue(const options& o) : host::queue(o), notes_(o.to->open()) {}

  template <class Do>
  auto note(std::string_view what, Do&& work, double operations = 0, std::int64_t rows = 0, std::int64_t columns = 0, std::int64_t depth = 0) {
    struct reading {
      noted& to;
      double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
      ~reading() { to.seconds += seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin; }
    };
    noted& n = notes_.line(what, rows, columns, depth);
    ++n.calls, n.operations += operations;
    const reading r{n};
    return work();
  }
  host::queue& host() { return *this; }

 private:
  notes& notes_;
};

struct tools : host::tools {
  explicit tools(const options& o) : host::tools(o), queue(o) {}
  bench::queue queue;
};

struct device : host::device {
  using queue = bench::queue;
  using tools = bench::tools;
  using options = bench::options;
};

// The operations that a Transformer asks for. What isn't here is done all the same, and counts as the rest of a step.

template <class A, class B, class C>
void matrix_product(queue& q, const A& a, const B& b, const tensor_view<C, 2>& c, const host::product_options<std::type_identity_t<C>>& o = {}) {
  const auto l = operand_of(a);
  const bool more = o.bias.data() != nullptr || o.before.data() != nullptr || o.residual.data() != nullptr;
  q.note(l.transposed ? "product, dw += dy' x" : more ? "product, with what stands behind it" : "product", [&] { host::matrix_product(q.host(), a, b, c, o); },
         2.0 * static_cast<double>(c.rows()) * static_cast<double>(c.columns()) * static_cast<double>(l.columns), c.rows(), c.columns(), l.columns);
}
template <class M, class T>
void pack(queue& q, const M& from, host::packed_matrix<T>& to) {
  q.note("packing of weights", [&] { host::pack(q.host(), from, to); });
}

/// Pairs of a query and a key that it sees, in all heads; elements of a head.
inline double scores(const shape<3>& s, bool causal) {
  const auto n = static_cast<double>(s[0]);
  return (causal ? n * (n + 1) / 2 : n * n) * static_cast<double>(s[1]) * static_cast<double>(s[2]);
}
template <class T>
void attention(queue& q, reads<T, 3> queries, reads<T, 3> keys, reads<T, 3> values, const token_places& at_queries, const token_places& at_keys, const tensor_view<T, 3>& output,
               writes<computes_in<T>, 2> lse, const attention_options& o = {}) {
  q.note("attention", [&] { host::attention(q.host(), queries, keys, values, at_queries, at_keys, output, lse, o); }, 4 * scores(queries.extents(), o.causal));
}
template <class V, class G>
void attention_backward(queue& q, reads<V, 3> queries, reads<V, 3> keys, reads<V, 3> values, const tensor_view<V, 3>& d_output, reads<computes_in<V>, 2> lse,
                        reads<computes_in<V>, 2> delta, const token_places& at_queries, const token_places& at_keys, const tensor_view<G, 3>& d_queries, writes<G, 3> d_keys,
                        writes<G, 3> d_values, const attention_options& o = {}) {
  q.note("attention_backward", [&] { host::attention_backward(q.host(), queries, keys, values, d_output, lse, delta, at_queries, at_keys, d_queries, d_keys, d_values, o); },
         8 * scores(queries.extents(), o.causal));
}
template <class T>
void layer_norm(queue& q, reads<T, 2> x, reads<T, 1> weight, reads<T, 1> bias, const tensor_view<T, 2>& y, writes<computes_in<T>, 1> mean, writes<computes_in<T>, 1> inverse,
                const layer_norm_options& o) {
  q.note("layer_norm", [&] { host::layer_norm(q.host(), x, weight, bias, y, mean, inverse, o); });
}
template <class T>
void layer_norm_backward_input(queue& q, reads<T, 2> x, reads<T, 1> weight, reads<computes_in<T>, 1> mean, reads<computes_in<T>, 1> inverse, reads<T, 2> dy,
                               const tensor_view<T, 2>& dx, const layer_norm_backward_options<std::type_identity_t<T>>& o) {
  q.note("layer_norm_backward_input", [&] { host::layer_norm_backward_input(q.host(), x, weight, mean, inverse, dy, dx, o); });
}

// Those that are given no braces.
void layer_norm_backward_weight(queue& q, auto&&... a) { q.note("layer_norm_backward_weight", [&] { host::layer_norm_backward_weight(q.host(), a...); }); }
void attention_delta(queue& q, auto&&... a) { q.note("attention_delta", [&] { host::attention_delta(q.host(), a...); }); }
void activate_backward(queue& q, auto&&... a) { q.note("activate_backward", [&] { host::activate_backward(q.host(), a...); }); }
auto cross_entropy(queue& q, auto&&... a) { return q.note("cross_entropy", [&] { return host::cross_entropy(q.host(), a...); }); }
void cross_entropy_backward(queue& q, auto&&... a) { q.note("cross_entropy_backward", [&] { host::cross_entropy_backward(q.host(), a...); }); }
void embedding(queue& q, auto&&... a) { q.note("embedding", [&] { host::embedding(q.host(), a...); }); }
void embedding_backward(queue& q, auto&&... a) { q.note("embedding_backward", [&] { host::embedding_backward(q.host(), a...); }); }
void add(queue& q, auto&&... a) { q.note("add", [&] { host::add(q.host(), a...); }); }
void bias_gradient(queue& q, auto&&... a) { q.note("bias_gradient", [&] { host::bias_gradient(q.host(), a...); }); }

}  // namespace bench
