// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a rank does with its parameters: gradients are cleared before a step, added up behind its passes, and stepped with
// when the sums of all ranks are there.
//
//     clear ─► passes ─► sum_up ─► tell (squares, tied gradients) ═ board ═► apply (scale, count)
// Parameters lie in the CPU's memory or, where the optimizer names a device's queue, in that one's. There the same is put on the
// rank's stream, and the CPU waits once, before tell, when all passes have been put there. Such an optimizer has
//
//     using queue = basic_queue<Runtime>;   static constexpr int states = 2;
//     static void clear(queue&, const parameter&);                                 gradient = 0
//     static void squares(queue&, const parameter&, double* to);                   the sum of its squares; there is room for two
//     void step(queue&, const parameter&, const optimizer_scalars*) const;         the scalars are in the device's memory
// Cost: a pass over the gradients each; on a device a copy of tied gradients to the CPU and back, too.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include <stretto/numeric/optimizer.hpp>
#include <stretto/run/board.hpp>
#include <stretto/run/rank_parameters.hpp>
#include <stretto/transport/transport.hpp>

namespace stretto::inline v0::detail {

/// Where an optimizer's parameters lie.
template <class Optimizer>
struct space_of_optimizer {
  using type = host_memory;
};
template <class Optimizer>
  requires requires { typename Optimizer::queue; }
struct space_of_optimizer<Optimizer> {
  using type = typename Optimizer::queue::memory;
};

template <class Transport, class Optimizer>
class rank_update {
  using space = typename space_of_optimizer<Optimizer>::type;
  static constexpr bool on_device = !space::reachable;
  static_assert(!on_device || has_lanes<Transport>, "stretto: the optimizer works in a device's memory, and the transport has no streams; make the pipeline over cuda_streams");
  static_assert(Optimizer::states <= 4, "stretto: an optimizer keeps at most 4 numbers beside a parameter's; keep fewer");

 public:
  rank_update(Transport& t, const parameter_board& board, int rank) : t_(t), board_(board), rank_(rank) {
    if constexpr (on_device) {
      device_.queue = std::make_unique<typename Optimizer::queue>(device_room::own_queue(t, rank));
      device_.queue->use(*static_cast<const typename Optimizer::queue::stream*>(t.lane(rank)));
      device_.scalars = tensor<unsigned char, 1, space>({static_cast<std::int64_t>(sizeof(optimizer_scalars))});
      device_.told_scalars = typename Transport::template pinned<optimizer_scalars>(1);
    }
  }

  std::vector<local_parameter<space>> parameters;

  /// Takes a parameter of this rank, with room for what the optimizer keeps of it.
  const parameter& own(const parameter& one, int row) {
    if (one.reachable == on_device)
      throw error(text("stretto: parameter ", one.name.str(), " lies in ", one.reachable ? "the CPU's" : "a device's", " memory, and the optimizer works in ", on_device ? "a device's" : "the CPU's",
                       "; give the pipeline an optimizer of the layers' device").str(), {.rank = rank_, .layer = one.layer});
    parameters.push_back(local_parameter<space>::of(one, rank_, row, Optimizer::states));
    if constexpr (on_device) {
      if (one.type != number_type::float32) throw error(text("stretto: parameter ", one.name.str(), " is of double, and lies in a device's memory; use float").str(), {.rank = rank_, .layer = one.layer});
    }
    return parameters.back().what;
  }

  void clear(const Optimizer& optimizer) {
    for (const local_parameter<space>& p : parameters) {
      if (p.what.gradient == nullptr) continue;
      if constexpr (on_device) optimizer.clear(*device_.queue, p.what);
      else if (p.what.type == number_type::float32) zero(static_cast<float*>(p.what.gradient), p.what.count);
      else zero(static_cast<double*>(p.what.gradient), p.what.count);
    }
  }

  /// Puts on a device's stream what tell is to know; `ties`: tied gradients, too.
  void sum_up(const Optimizer& optimizer, bool ties) {
    if constexpr (on_device) {
      const auto count = static_cast<std::int64_t>(parameters.size());
      if (device_.sums.size() != 2 * count) device_.sums = typename device_room::numbers(2 * count), device_.sums_there = tensor<double, 1, space>({2 * count});
      if (ties && device_.shares.size() == 0) device_.shares = typename device_room::bytes(board_.most_share_bytes());
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const parameter& p = parameters[i].what;
        if (p.gradient == nullptr) continue;
        optimizer.squares(*device_.queue, p, device_.sums_there.data() + 2 * i);
        if (const std::int64_t at = board_.share_of(parameters[i].row); at >= 0) copy(device_.shares.data() + at, p.gradient, p.count * 4);
      }
      copy(device_.sums.data(), device_.sums_there.data(), count * 16);
    } else {
      static_cast<void>(optimizer), static_cast<void>(ties);
    }
  }

  /// What the rank knows of its gradients: squares behind the losses of its segment, and its shares of tied ones. Of a device,
  /// when the stream has been waited for.
  void tell(double* segment, unsigned char* shares) const {
    if constexpr (on_device) {
      for (std::size_t i = 0; i < parameters.size(); ++i)
        if (parameters[i].what.gradient != nullptr) segment[board_.square_of(parameters[i].row)] = device_.sums.read(static_cast<std::int64_t>(2 * i));
      if (shares != nullptr) std::memcpy(shares, device_.shares.data(), static_cast<std::size_t>(device_.shares.size()));
    } else {
      for (const local_parameter<space>& p : parameters) board_.note(p.row, p.what, segment, shares);
    }
  }

  /// A step. shares_of(rank): what that rank told of tied gradients.
  template <class SharesOf>
  void apply(const Optimizer& optimizer, SharesOf&& shares_of, double scale, std::int64_t count) {
    if constexpr (on_device) {
      device_.told_scalars.write(0, {.scale = scale, .count = count});
      copy(device_.scalars.data(), device_.told_scalars.data(), static_cast<std::int64_t>(sizeof(optimizer_scalars)));
      std::int64_t at = 0;
      for (local_parameter<space>& p : parameters) {
        if (p.what.gradient == nullptr) continue;
        if (board_.is_tied(p.row)) at = take_tied(p, shares_of, at);
        optimizer.step(*device_.queue, p.what, reinterpret_cast<const optimizer_scalars*>(device_.scalars.data()));
      }
    } else {
      for (local_parameter<space>& p : parameters) {
        if (p.what.gradient == nullptr) continue;
        if (p.what.type == number_type::float32) step_of(optimizer, p, p.narrow, static_cast<float*>(p.what.gradient), shares_of, scale, count);
        else step_of(optimizer, p, p.wide, static_cast<double*>(p.what.gradient), shares_of, scale, count);
      }
    }
  }

 private:
  template <class T>
  static void zero(T* values, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) values[i] = 0;
  }

  template <class T, class SharesOf>
  void step_of(const Optimizer& optimizer, local_parameter<space>& p, std::vector<tensor<T, 1, space>>& state, T* gradients, SharesOf&& shares_of, double scale, std::int64_t count) {
    if (board_.is_tied(p.row))
      board_.tied_sums(board_.first_use(p.row), shares_of, [&](std::int64_t first, const double* sums, std::int64_t n) {
        for (std::int64_t k = 0; k < n; ++k) gradients[first + k] = static_cast<T>(sums[k]);
      });
    T* states[Optimizer::states > 0 ? Optimizer::states : 1] = {};
    for (std::size_t k = 0; k < state.size(); ++k) states[k] = state[k].data();
    const auto values = static_cast<T*>(p.what.value);
    if constexpr (requires { optimizer(values, gradients, states, p.what.count, scale, count, p.what); }) optimizer(values, gradients, states, p.what.count, scale, count, p.what);
    else optimizer(values, gradients, states, p.what.count, scale, count);
  }

  // On a device.

  template <class T, bool There>
  struct room_of {};
  template <class T>
  struct room_of<T, true> {
    using numbers = typename T::template pinned<double>;
    using bytes = typename T::template pinned<unsigned char>;
    std::unique_ptr<typename Optimizer::queue> queue;
    tensor<unsigned char, 1, space> scalars;
    tensor<double, 1, space> sums_there;
    numbers sums;
    bytes shares;
    typename T::template pinned<float> tied;
    typename T::template pinned<optimizer_scalars> told_scalars;

    static auto own_queue(const T& t, int rank) { return typename Optimizer::queue::options_type{.device = t.device(rank), .scratch_bytes = 1 << 20, .upload_bytes = 256, .uploads = 1}; }
  };
  using device_room = room_of<Transport, on_device>;

  void copy(void* to, const void* from, std::int64_t bytes) { t_.copy(rank_, to, from, bytes); }

  /// The sum of a tied parameter's gradients, made on the CPU, replaces that of this use. What is told in one step was copied
  /// when the next one is told of, because the stream is waited for before that.
  template <class SharesOf>
  std::int64_t take_tied(local_parameter<space>& p, SharesOf&& shares_of, std::int64_t at) {
    if (device_.tied.size() == 0) {
      std::int64_t all = 0;
      for (const local_parameter<space>& one : parameters) all += board_.is_tied(one.row) ? one.what.count : 0;
      device_.tied = typename Transport::template pinned<float>(all);
    }
    board_.tied_sums(board_.first_use(p.row), shares_of, [&](std::int64_t first, const double* sums, std::int64_t n) {
      for (std::int64_t k = 0; k < n; ++k) device_.tied.data()[at + first + k] = static_cast<float>(sums[k]);
    });
    copy(p.what.gradient, device_.tied.data() + at, p.what.count * 4);
    return at + p.what.count;
  }

  Transport& t_;
  const parameter_board& board_;
  int rank_;
  [[no_unique_address]] device_room device_;
};

}  // namespace stretto::inline v0::detail
