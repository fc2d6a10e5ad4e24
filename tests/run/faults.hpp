// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Faults at every point of a step: a layer or the transport throws, a message has another shape or identity, a rank stalls.
// Points are counted on each rank: calls of layers and of the transport, so each action of a rank's list has some.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <stretto/run.hpp>
#include <stretto/schedule.hpp>

namespace faults {

using namespace stretto;

enum class kind { none, throws, shape, identity, stalls, dies };

inline constexpr int ranks = 3, micro_batches = 4, width = 5, most_ranks = 8;

/// What is to go wrong, and how far each rank is.
struct scene {
  kind what = kind::none;
  int rank = 0;
  std::int64_t at = 0;
  double seconds = 0;                               // of a stall
  std::atomic<std::int64_t> points[most_ranks] = {};  // calls of layers and of the transport
  std::atomic<std::int64_t> sent[most_ranks] = {};    // messages to other ranks
  void (*die)() = nullptr;

  void begin(kind k, int r, std::int64_t n) {
    what = k, rank = r, at = n;
    for (auto& p : points) p = 0;
    for (auto& s : sent) s = 0;
  }
  void point(int r) {
    if (points[r]++ != at || r != rank) return;
    if (what == kind::throws) throw error("stretto: point " + std::to_string(at) + " throws");
    if (what == kind::stalls) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    if (what == kind::dies) die();
  }
  /// Whether this message is the one.
  bool strikes(int r) { return sent[r]++ == at && r == rank && (what == kind::shape || what == kind::identity); }
};

inline scene now;

/// Any transport, with faults.
template <class Transport>
class faulty : public Transport {
 public:
  using Transport::Transport;
  using channel = typename Transport::channel;
  using gathering = typename Transport::gathering;

  template <class Say>
  void* fresh(channel& c, Say&& say) {
    now.point(c.shape.from);
    return Transport::fresh(c, say);
  }
  template <class Say>
  void put(channel& c, message_id id, void* object, Say&& say) {
    now.point(c.shape.from);
    if (c.shape.from != c.shape.to && now.strikes(c.shape.from)) {
      if (now.what == kind::identity) id.step += 1;
      else static_cast<values<float>*>(object)->resize(width - 1);
    }
    Transport::put(c, id, object, say);
  }
  template <class Say>
  parcel take(channel& c, const message_id& id, Say&& say) {
    now.point(c.shape.to);
    return Transport::take(c, id, say);
  }
  void give_back(channel& c, void* object) {
    now.point(c.shape.to);
    Transport::give_back(c, object);
  }
  void publish(gathering& g, int rank, std::int64_t step) {
    if (begun) now.point(rank);  // ranks are bound by gatherings, too
    Transport::publish(g, rank, step);
  }
  template <class Say>
  void gathered(gathering& g, int who, std::int64_t step, Say&& say) {
    if (begun && who < Transport::ranks()) now.point(who);
    Transport::gathered(g, who, step, say);
  }
  bool begun = false;
};

inline void check_width(const values<float>& v, const char* what) {
  if (v.size() != width) throw error(text("stretto: a layer is given ", v.size(), " ", what, " where ", width, " are due; see what the other stage makes").str());
}

struct source {
  using input = nothing;
  using output = values<float>;
  output make_output() const { return output(width); }
  void forward(context& c, const nothing&, output& out) {
    now.point(c.rank);
    out.resize(width);
    for (int i = 0; i < width; ++i) out[i] = static_cast<float>(c.share.micro_batch + i);
  }
  void backward_input(context& c, const nothing&, const values<float>& g, nothing&) {
    now.point(c.rank);
    check_width(g, "gradients");
  }
};
struct scale {
  using input = values<float>;
  using output = values<float>;
  std::vector<float> w = std::vector<float>(width, 1.5f), g = std::vector<float>(width);
  output make_output() const { return output(width); }
  void forward(context& c, const input& in, output& out) {
    now.point(c.rank);
    check_width(in, "values");
    out.resize(width);
    for (int i = 0; i < width; ++i) out[i] = w[static_cast<std::size_t>(i)] * in[i];
  }
  void backward_input(context& c, const input&, const values<float>& dy, values<float>& dx) {
    now.point(c.rank);
    check_width(dy, "gradients");
    dx.resize(width);
    for (int i = 0; i < width; ++i) dx[i] = w[static_cast<std::size_t>(i)] * dy[i];
  }
  void backward_weight(context& c, const input& in, const values<float>& dy) {
    now.point(c.rank);
    for (int i = 0; i < width; ++i) g[static_cast<std::size_t>(i)] += in[i] * dy[i];
  }
  void parameters(auto&& visit) { visit("w", w, g); }
};
struct total {
  using input = values<float>;
  using output = double;
  void forward(context& c, const input& in, double& out) {
    now.point(c.rank);
    check_width(in, "values");
    out = 0;
    for (float v : in) out += static_cast<double>(v);
  }
  void backward_input(context& c, const input&, const double& dy, values<float>& dx) {
    now.point(c.rank);
    dx.resize(width);
    dx.fill(static_cast<float>(dy));
  }
};

inline auto model_of(int stages) { return sequential(layer<source>(), repeat<scale>(stages - 2), layer<total>()); }
inline cut cut_of(int stages) { return cut::of(std::vector<int>(static_cast<std::size_t>(stages), 1)); }

template <class S, class... Of>
inline constexpr bool is_one_of = (std::is_same_v<S, Of> || ...);

/// Plans of six schedules over three ranks.
template <class Visit>
void each_plan(Visit&& visit) {
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    if constexpr (is_one_of<S, gpipe, one_f_one_b, interleaved_one_f_one_b, zb_h1, zb_v, one_f_one_b_v>) {
      sizes z{.ranks = ranks, .micro_batches = micro_batches};
      if constexpr (is_one_of<S, interleaved_one_f_one_b>) z.chunks = 2;
      visit(make_plan(s, z), std::string(s.name));
    }
  });
}

/// Runs a step with what is to go wrong; gives what was thrown, or nothing, and how long it took.
struct outcome {
  std::string words;
  error_place place{};
  double seconds = 0;
  std::int64_t points[ranks] = {}, sent[ranks] = {};  // of this process's ranks, of one step
};
template <class Transport>
outcome step_of(Transport& t, const plan& order) {
  outcome o;
  const auto begun = std::chrono::steady_clock::now();
  try {
    pipeline p(t, model_of(order.stages), cut_of(order.stages), order, sgd{}, {.clip = 1, .merged_backward = true});
    t.begun = true;
    for (auto& n : now.points) n = 0;
    p.step().loss();
    p.finish();
    for (int r = 0; r < ranks; ++r) o.points[r] = now.points[r], o.sent[r] = now.sent[r];
    p.step().loss();  // a rank may have ended the first one before another failed
  } catch (const error& e) {
    o.words = e.what(), o.place = e.place();
  }
  o.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return o;
}

}  // namespace faults
