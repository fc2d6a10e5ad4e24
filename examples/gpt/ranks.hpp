// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where the ranks of gpt run: threads of this process, or over a transport a process each; cuda/streams.hpp has streams of a
// device. What only one of several processes is to
// do, rank 0 does: it speaks.
#pragma once

#include <vector>

#include <stretto/host.hpp>
#include <stretto/run.hpp>
#include <stretto/train/checkpoint.hpp>
#include <stretto/train/save_together.hpp>
#include <stretto/transport/group.hpp>

#include "settings.hpp"

namespace gpt {

/// Ranks that work on the CPU.
struct on_cores {
  using device = stretto::host::device;
  static constexpr std::int64_t product = 384;  // whose rate is the roof
  static constexpr const char* worker = "a core";
  static constexpr bool computes = true;
  device::options queue(const settings& how) const { return {.threads = how.threads}; }
  stretto::host::optimizer<stretto::adamw_options> optimizer(const stretto::adamw_options& o) const { return {o, false}; }
  double workers(const settings& how) const { return how.ranks * how.threads; }
};

/// All ranks are of this process.
struct together {
  static constexpr bool apart = false;
  bool speaks() const { return true; }
  bool local(int) const { return true; }
  void meet() {}
  void gather(std::vector<double>&) {}
  void broadcast(std::vector<std::int32_t>&, int) {}
  void save(stretto::checkpoints& saves, std::int64_t step, const stretto::checkpoint_contents& all) { saves.save(step, all); }
  void load(const stretto::checkpoint& from, const stretto::checkpoint_contents& to) { from.load(to); }
};

/// Each is a thread.
struct as_threads : on_cores, together {
  template <class Model, class Optimizer>
  stretto::pipeline<Model, Optimizer> bind(const Model& m, const stretto::cut& c, const stretto::plan& order, const Optimizer& o, const stretto::pipeline_options& how) {
    return stretto::pipeline<Model, Optimizer>(m, c, order, o, how);
  }
};

/// Each rank is a process.
template <class Transport>
class as_processes : public on_cores {
 public:
  static constexpr bool apart = true;
  explicit as_processes(Transport& t) : t_(t), me_(stretto::detail::first_local(t)), all_(t, me_, "gpt") {}

  bool speaks() const { return me_ == 0; }
  bool local(int rank) const { return rank == me_; }
  void meet() { all_.barrier(); }
  /// Each rank's number, of which this process knows its own.
  void gather(std::vector<double>& by_rank) {
    const double mine = by_rank[static_cast<std::size_t>(me_)];
    all_.all_gather(stretto::view<const double>{&mine, 1}, stretto::view<double>{by_rank.data(), static_cast<std::int64_t>(by_rank.size())});
  }
  void broadcast(std::vector<std::int32_t>& numbers, int root) { all_.broadcast(stretto::view<std::int32_t>{numbers.data(), static_cast<std::int64_t>(numbers.size())}, root); }
  template <class Model, class Optimizer>
  stretto::pipeline<Model, Optimizer, Transport> bind(const Model& m, const stretto::cut& c, const stretto::plan& order, const Optimizer& o, const stretto::pipeline_options& how) {
    return stretto::pipeline<Model, Optimizer, Transport>(t_, m, c, order, o, how);
  }
  void save(stretto::checkpoints& saves, std::int64_t step, const stretto::checkpoint_contents& mine) { stretto::save_together(t_, saves, step, mine); }
  void load(const stretto::checkpoint& from, const stretto::checkpoint_contents& mine) { from.load_part(mine); }

 private:
  Transport& t_;
  int me_;
  stretto::group<Transport> all_;
};

}  // namespace gpt
