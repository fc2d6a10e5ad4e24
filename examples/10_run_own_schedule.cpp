// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/10_run_own_schedule.cpp -o run_own_schedule
// Prints:       a schedule of one's own that puts weight passes where 1F1B idles, drawn beside it; whether layers that
//               are trained by both get the same bits; and what was measured of a step: in which order the ranks worked,
//               and whether everything began after what it needs.
// Change next:  how long weights may wait (`late`); let W of the last micro-batch come first, and see the bits change.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <stretto/run.hpp>
#include <stretto/stretto.hpp>

using stretto::action, stretto::context, stretto::nothing, stretto::values;

/// 1F1B with backward in two halves: I at once, because the rank before waits for it, and W only when `late` micro-batches
/// wait for theirs, so that the last ones fill the time in which nothing else can run.
struct weights_later {
  static constexpr const char* name = "weights_later";

  constexpr stretto::refusal refuses(const stretto::sizes& z) const { return stretto::one_chunk_whole(z); }

  constexpr void order(const stretto::sizes& z, int rank, auto&& put) const {
    const int ahead = std::min(z.ranks - 1 - rank, z.micro_batches), late = rank;
    int weighed = 0;
    for (int m = 0; m < ahead; ++m) put(action::forward(rank, m));
    for (int m = 0; m < z.micro_batches; ++m) {
      if (m + ahead < z.micro_batches) put(action::forward(rank, m + ahead));
      put(action::backward_input(rank, m));
      if (m >= late) put(action::backward_weight(rank, weighed++));
    }
    while (weighed < z.micro_batches) put(action::backward_weight(rank, weighed++));
  }
};

constexpr int width = 16;

struct first {
  using input = nothing;
  using output = values<double>;
  output make_output() const { return output(width); }
  void forward(context& c, const nothing&, output& y) {
    for (int i = 0; i < width; ++i) y[i] = std::sin(i + 5.0 * c.share.micro_batch);
  }
  void backward_input(context&, const nothing&, const values<double>&, nothing&) {}
};

/// x + tanh(w x), number by number.
struct block {
  using input = values<double>;
  using output = values<double>;
  using saved = values<double>;
  std::vector<double> w = std::vector<double>(width, 0.1), gradient = std::vector<double>(width);
  output make_output() const { return output(width); }
  saved make_saved() const { return saved(width); }
  void forward(context&, const input& x, output& y, saved& s) {
    for (int i = 0; i < width; ++i) y[i] = x[i] + (s[i] = std::tanh(w.data()[i] * x[i]));
  }
  void backward_input(context&, const input&, const values<double>& dy, values<double>& dx, saved& s) {
    for (int i = 0; i < width; ++i) dx[i] = dy[i] * (1 + w.data()[i] * (1 - s[i] * s[i]));
  }
  void backward_weight(context&, const input& x, const values<double>& dy, saved& s) {
    for (int i = 0; i < width; ++i) gradient.data()[i] += dy[i] * (1 - s[i] * s[i]) * x[i];
  }
  void parameters(auto&& visit) { visit("w", w, gradient); }
};

/// The squared distance from a half.
struct last {
  using input = values<double>;
  using output = double;
  void forward(context&, const input& x, double& out) {
    out = 0;
    for (double v : x) out += (v - 0.5) * (v - 0.5);
  }
  void backward_input(context&, const input& x, const double& g, values<double>& d) {
    for (int i = 0; i < width; ++i) d[i] = 2 * g * (x[i] - 0.5);
  }
};

int main() {
  const stretto::sizes z{.ranks = 3, .micro_batches = 5};
  const stretto::plan own = stretto::make_plan(weights_later{}, z), usual = stretto::make_plan(stretto::one_f_one_b{}, z);
  for (const stretto::plan* order : {&usual, &own}) {
    const stretto::forecast f = stretto::simulate(*order);
    std::printf("%s: makespan %g, peak %g\n%s\n", order->name.letters, f.makespan, f.peak, stretto::to_grid(*order).c_str());
  }

  const auto model = stretto::sequential(stretto::layer<first>(), stretto::repeat<block>(7), stretto::layer<last>());
  const auto layers_of = stretto::cut::of({3, 3, 3});
  const stretto::pipeline_options records{.record = true};
  stretto::pipeline a(model, layers_of, usual, stretto::sgd{.rate = 0.1}), b(model, layers_of, own, stretto::sgd{.rate = 0.1}, records);
  bool same = true;
  double loss = 0;
  for (int i = 0; i < 50; ++i) {
    loss = a.step(z.micro_batches * width).loss();
    same = same && b.step(z.micro_batches * width).loss() == loss;
  }
  std::printf("50 steps: loss %.4f, equal to the bit: %s\n\n", loss, same ? "yes" : "no");

  // Times lie beside the entries of the program that the pipeline runs, messages and the end of the step among them.
  auto step = b.step(z.micro_batches * width);
  const stretto::recording measured = step.measured();
  const stretto::program& work = b.steps();
  const auto at = [&](int rank, stretto::pass_id pass, int m) {
    const stretto::view<const action> list = work.order(rank);
    for (std::int64_t i = 0;; ++i)
      if (list[i] == action::of(pass, rank, m)) return static_cast<std::size_t>(work.rows[rank] + i);
  };
  bool in_order = true, after = true;
  for (int r = 0; r < z.ranks; ++r) {
    std::vector<std::pair<double, action>> ran;
    for (std::int64_t i = work.rows[r]; i < work.rows[r + 1]; ++i)
      if (!work.actions[i].is_message()) ran.emplace_back(measured.starts[static_cast<std::size_t>(i)], work.actions[i]);
    std::stable_sort(ran.begin(), ran.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
    std::printf("rank %d ran", r);
    for (const auto& one : ran) std::printf(" %s", stretto::name_of(work.passes, one.second).c_str());
    std::printf("\n");
    for (std::int64_t i = 0; i < own.order(r).count; ++i) in_order = in_order && ran[static_cast<std::size_t>(i)].second == own.order(r)[i];
    using namespace stretto::pass;
    for (int m = 0; m < z.micro_batches; ++m) {
      const auto begins = [&](stretto::pass_id pass) { return measured.starts[at(r, pass, m)]; };
      if (r > 0) after = after && begins(forward) >= measured.ends[at(r - 1, forward, m)];
      if (r + 1 < z.ranks) after = after && begins(backward_input) >= measured.ends[at(r + 1, backward_input, m)];
      after = after && begins(backward_input) >= measured.ends[at(r, forward, m)];
    }
  }
  for (const stretto::message_times& m : measured.messages) after = after && m.put <= m.taken;
  std::printf("as the order says: %s; after what it needs: %s; messages: %d\n", in_order ? "yes" : "no", after ? "yes" : "no",
              static_cast<int>(measured.messages.size()));
}
