// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is trained: a GPT of GPT-2's family over the ranks of a pipeline, one thread a rank, and what a step of it took: time
// on the wall, each rank's CPU time, each pass.
//
//     trained t("P = 2", shape, cut, plan);
//     const step_seen s = t.step();        s.wall, s.cpu_of[rank], s.loss, s.passes
#pragma once

#include <pthread.h>

#include <memory>
#include <string>
#include <vector>

#include <stretto/model/transformer.hpp>
#include <stretto/run.hpp>

#include "timed_device.hpp"

namespace bench {

/// A rank's thread, as its optimizer finds it, and what the optimizer took.
struct alignas(64) rank_clock {
  bool known = false;
  clockid_t thread{};
  double optimizer = 0;

  double cpu() const { return known ? seconds_of(thread) : 0; }
};

/// AdamW that decays matrices, and notes its CPU time by rank.
struct clocked_adamw {
  host::optimizer<adamw_options> of;
  rank_clock* clocks = nullptr;

  static constexpr int states = adamw_options::states;

  template <class T>
  void operator()(T* value, const T* gradient, T* const* state, std::int64_t n, double scale, std::int64_t count, const parameter& what) const {
    rank_clock& c = clocks[what.rank];
    if (!c.known) c.known = pthread_getcpuclockid(pthread_self(), &c.thread) == 0;
    const double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    of(value, gradient, state, n, scale, count, what);
    c.optimizer += seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin;
  }
};

struct step_seen {
  double wall = 0, loss = 0;
  std::vector<double> cpu_of;
  recording passes;

  double cpu() const {
    double all = 0;
    for (const double c : cpu_of) all += c;
    return all;
  }
};

/// Token i of a stream that is the same for all who train.
inline std::int32_t token(std::int64_t i, std::int64_t vocabulary) { return static_cast<std::int32_t>((i * i % 8191 + 3 * i) % vocabulary); }

class trained {
 public:
  using model_type = decltype(transformer<bench::device, float>(transformer_shape{}));

  trained(const std::string& name, const transformer_shape& shape, const cut& c, const plan& order, bool pin)
      : name_(name), stages_(c), tokens_(order.micro_batches * shape.rows()), clocks_(static_cast<std::size_t>(order.ranks)), run_(model(shape), c, order, adam(), how(shape, pin)) {
    for (std::int64_t i = 0; i <= tokens_; ++i) numbers_.push_back(token(i, shape.vocabulary));
    const std::int64_t rows = shape.rows(), sequence = shape.sequence;
    run_.feed<std::int32_t>("tokens", [this, rows, sequence](const data_share& d) { return view<const std::int32_t>{numbers_.data() + d.first_sample * sequence, rows}; });
    run_.feed<std::int32_t>("labels", [this, rows, sequence](const data_share& d) { return view<const std::int32_t>{numbers_.data() + d.first_sample * sequence + 1, rows}; });
  }

  step_seen step() {
    std::vector<double> before;
    for (const rank_clock& c : clocks_) before.push_back(c.cpu());
    step_seen s;
    const double begin = seconds_of(CLOCK_MONOTONIC);
    auto asked = run_.step(static_cast<double>(tokens_));
    s.loss = asked.loss();
    s.wall = seconds_of(CLOCK_MONOTONIC) - begin;
    for (std::size_t r = 0; r < clocks_.size(); ++r) s.cpu_of.push_back(clocks_[r].cpu() - before[r]);
    s.passes = asked.measured();
    return s;
  }

  /// Forgets what operations took until now.
  void begin_notes() {
    notes_.clear();
    for (rank_clock& c : clocks_) c.optimizer = 0;
  }
  std::vector<noted> notes() const { return notes_.lines(); }
  double optimizer() const {
    double all = 0;
    for (const rank_clock& c : clocks_) all += c.optimizer;
    return all;
  }

  const std::string& name() const { return name_; }
  const program& passes() const { return run_.steps(); }
  const cut& stages() const { return stages_; }
  int ranks() const { return static_cast<int>(clocks_.size()); }
  std::int64_t tokens() const { return tokens_; }  ///< of a step
  /// How many numbers the optimizer steps on each rank.
  std::vector<double> stepped_of() const {
    std::vector<double> of(clocks_.size(), 0.0);
    for (const parameter& p : run_.parameters()) of[static_cast<std::size_t>(p.rank)] += static_cast<double>(p.count);
    return of;
  }

 private:
  model_type model(const transformer_shape& shape) {
    bench::options o;
    o.to = &notes_;
    return transformer<bench::device, float>(shape, {.seed = 1, .queue = o});
  }
  clocked_adamw adam() { return {{adamw_options{.rate = 1e-3, .beta2 = 0.95, .decay = 0.1}, false}, clocks_.data()}; }
  static pipeline_options how(const transformer_shape& shape, bool pin) {
    pipeline_options o{.seed = 1, .samples = shape.samples, .record = true};
    o.threads.pin = pin;
    return o;
  }

  std::string name_;
  cut stages_;
  std::int64_t tokens_;
  std::vector<rank_clock> clocks_;
  diary notes_;
  std::vector<std::int32_t> numbers_;
  pipeline<model_type, clocked_adamw> run_;
};

}  // namespace bench
