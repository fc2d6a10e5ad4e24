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
//     static void sum_tied(queue&, const float* const* shares, int uses, std::int64_t count, float* to, double* squares);
//                          where parameters are tied: of the sum of all uses' gradients, which replaces this one; or to is null
// Gradients of tied parameters stay on devices: a rank tells the others where its copies lie, and each adds all uses itself.
// Cost: a pass over the gradients each; of tied ones a copy, and on each rank a pass over those of all uses.
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

/// Whether an optimizer of a device adds the uses of tied parameters there.
template <class Optimizer>
concept adds_ties = requires(typename Optimizer::queue& q, const float* const* shares, float* to, double* squares) { Optimizer::sum_tied(q, shares, 1, 1, to, squares); };

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
      device_.scalars = block({static_cast<std::int64_t>(sizeof(optimizer_scalars))});
      device_.told_scalars = typename Transport::template pinned<optimizer_scalars>(1);
      device_.sums = typename device_room::numbers(2 * board.size(rank)), device_.sums_there = tensor<double, 1, space>({2 * board.size(rank)});
      make_room_for_ties();
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
    if constexpr (on_device)
      for (tie& t : device_.ties)
        if (board_.first_use(row) == t.first) t.mine.push_back(parameters.size() - 1);
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

  /// Puts on a device's stream what tell is to know.
  void sum_up(const Optimizer& optimizer) {
    if constexpr (on_device) {
      block& mine = device_.shares[++told_ % kept_shares];
      for (const local_parameter<space>& one : parameters) {
        const parameter& p = one.what;
        if (p.gradient == nullptr) continue;
        optimizer.squares(*device_.queue, p, device_.sums_there.data() + 2 * board_.square_of(one.row));
        if (const std::int64_t at = board_.share_of(one.row); at >= 0) copy(mine.data() + at, p.gradient, p.count * 4);
      }
      copy(device_.sums.data(), device_.sums_there.data(), device_.sums.bytes());
    } else {
      static_cast<void>(optimizer);
    }
  }

  /// What the rank knows of its gradients: squares behind the losses of its segment, and its shares of tied ones. Of a device,
  /// when the stream has been waited for; there the shares are an address.
  void tell(double* segment, unsigned char* shares) const {
    if constexpr (on_device) {
      for (const local_parameter<space>& p : parameters)
        if (p.what.gradient != nullptr) segment[board_.square_of(p.row)] = device_.sums.read(2 * board_.square_of(p.row));
      if (shares == nullptr) return;
      const unsigned char* const mine = device_.shares[told_ % kept_shares].data();
      std::memcpy(shares, &mine, sizeof mine);
    } else {
      for (const local_parameter<space>& p : parameters) board_.note(p.row, p.what, segment, shares);
    }
  }
  /// The bytes of tell's shares.
  static std::int64_t told_bytes(const parameter_board& board) {
    const std::int64_t most = board.most_share_bytes();
    return on_device && most > 0 ? static_cast<std::int64_t>(sizeof(unsigned char*)) : most;
  }

  /// Of tied parameters, on a device: puts on the stream that gradients become the sum of all uses'. shares_of(rank): what
  /// that rank told. With `squares`, tied_squares knows them when the stream has been waited for.
  template <class SharesOf>
  void add_ties(const Optimizer& optimizer, SharesOf&& shares_of, bool squares) {
    if constexpr (on_device && adds_ties<Optimizer>) {
      for (std::size_t g = 0; g < device_.ties.size(); ++g) {
        const tie& t = device_.ties[g];
        if (t.mine.empty() && !squares) continue;
        const std::int64_t bytes = board_.what(t.first).count * 4;
        std::int64_t moved = 0;
        device_.uses.clear();
        for (const int use : board_.uses(t.first)) {
          const int owner = board_.what(use).rank;
          const unsigned char* at = nullptr;
          std::memcpy(&at, shares_of(owner), sizeof at);
          at += board_.share_of(use);
          if (t_.device(owner) != t_.device(rank_)) {  // which may be out of a kernel's reach
            unsigned char* const here = device_.moved.data() + moved;
            copy(here, at, bytes);
            at = here, moved += (bytes + 255) / 256 * 256;
          }
          device_.uses.push_back(reinterpret_cast<const float*>(at));
        }
        double* const to = device_.tied_there.data() + 2 * g;
        const auto count = static_cast<int>(device_.uses.size());
        optimizer.sum_tied(*device_.queue, device_.uses.data(), count, bytes / 4, t.mine.empty() ? nullptr : static_cast<float*>(parameters[t.mine[0]].what.gradient), to);
        for (std::size_t i = 1; i < t.mine.size(); ++i) copy(parameters[t.mine[i]].what.gradient, parameters[t.mine[0]].what.gradient, bytes);
      }
      if (squares) copy(device_.tied.data(), device_.tied_there.data(), device_.tied.bytes());
    } else {
      static_cast<void>(optimizer), static_cast<void>(shares_of), static_cast<void>(squares);
    }
  }
  /// The sum of the squares of a tied parameter's gradient, whose first use is row i.
  template <class SharesOf>
  double tied_squares(int i, SharesOf&& shares_of) const {
    if constexpr (on_device) {
      std::size_t g = 0;
      while (device_.ties[g].first != i) ++g;
      return device_.tied.read(static_cast<std::int64_t>(2 * g));
    } else {
      return board_.tied_squares(i, shares_of);
    }
  }
  static constexpr bool waits_for_ties = on_device;

  /// A step. shares_of(rank): what that rank told of tied gradients.
  template <class SharesOf>
  void apply(const Optimizer& optimizer, SharesOf&& shares_of, double scale, std::int64_t count) {
    if constexpr (on_device) {
      device_.told_scalars.write(0, {.scale = scale, .count = count});
      copy(device_.scalars.data(), device_.told_scalars.data(), static_cast<std::int64_t>(sizeof(optimizer_scalars)));
      for (const local_parameter<space>& p : parameters) {
        if (p.what.gradient == nullptr) continue;
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

  using block = tensor<unsigned char, 1, space>;
  /// A tied parameter that is trained.
  struct tie {
    int first = 0;                  // its first use, of all ranks'
    std::vector<std::size_t> mine;  // which of this rank's parameters are uses of it
  };
  template <class T, bool There>
  struct room_of {};
  template <class T>
  struct room_of<T, true> {
    using numbers = typename T::template pinned<double>;
    std::unique_ptr<typename Optimizer::queue> queue;
    block scalars;
    typename T::template pinned<optimizer_scalars> told_scalars;
    tensor<double, 1, space> sums_there, tied_there;  // two for each parameter, and for each tied one
    numbers sums, tied;
    std::vector<tie> ties;
    block shares[kept_shares], moved;  // copies of this rank's tied gradients, and of those of other devices
    std::vector<const float*> uses;

    static auto own_queue(const T& t, int rank) { return typename Optimizer::queue::options_type{.device = t.device(rank), .scratch_bytes = 1 << 20, .upload_bytes = 256, .uploads = 1}; }
  };
  using device_room = room_of<Transport, on_device>;

  void copy(void* to, const void* from, std::int64_t bytes) { t_.copy(rank_, to, from, bytes); }

  /// A copy that is told of in one step is read until the step behind that is told of: then the stream has been waited for.
  void make_room_for_ties() {
    std::int64_t moved = 0, uses = 0;
    for (const int first : board_.trained_ties()) {
      if constexpr (!adds_ties<Optimizer>)
        throw error(text("stretto: parameter ", board_.what(first).name, " is tied, and the optimizer can't add its uses on a device; give it sum_tied, see rank_update.hpp").str(), {.rank = rank_});
      device_.ties.push_back({first, {}});
      std::int64_t elsewhere = 0;
      for (const int use : board_.uses(first)) elsewhere += t_.device(board_.what(use).rank) != t_.device(rank_) ? (board_.what(use).count * 4 + 255) / 256 * 256 : 0;
      moved = elsewhere > moved ? elsewhere : moved;
      uses = static_cast<std::int64_t>(board_.uses(first).size()) > uses ? static_cast<std::int64_t>(board_.uses(first).size()) : uses;
    }
    const auto count = static_cast<std::int64_t>(device_.ties.size());
    device_.tied = typename device_room::numbers(2 * count), device_.tied_there = tensor<double, 1, space>({2 * count});
    for (block& b : device_.shares) b = block({board_.share_bytes(rank_)});
    device_.moved = block({moved});
    device_.uses.reserve(static_cast<std::size_t>(uses));
  }

  Transport& t_;
  const parameter_board& board_;
  int rank_;
  std::int64_t told_ = -1;  // how often sums were put on a device's stream
  [[no_unique_address]] device_room device_;
};

}  // namespace stretto::inline v0::detail
