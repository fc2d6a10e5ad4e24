// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a run holds: as many micro-batches at once as the plan says, and boundaries that are handed over, never copied. And
// a transport that mixes messages up is caught at the action.
#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"
#include <stretto/run.hpp>

using namespace stretto;

namespace {

/// What layers saw: micro-batches that a rank holds, and addresses of what crossed each boundary.
struct sightings {
  std::mutex mutex;
  std::map<int, int> live, most;                              // by rank
  std::map<int, std::set<const void*>> written, read;         // by boundary: the layer behind it
  void clear() { live.clear(), most.clear(), written.clear(), read.clear(); }
};
sightings seen;

template <class In, class Out>
struct witness {
  using input = In;
  using output = Out;
  std::vector<float> w{1}, g{0};
  void forward(context& c, const In& in, Out& out) {
    const std::lock_guard lock(seen.mutex);
    seen.most[c.rank] = std::max(seen.most[c.rank], ++seen.live[c.rank]);
    seen.read[c.layer].insert(&in);
    seen.written[c.layer + 1].insert(&out);
    out = 1;
  }
  void backward_input(context&, const In&, const gradient_of<Out>&, gradient_of<In>&) {}
  void backward_weight(context& c, const In& in, const gradient_of<Out>&) {
    const std::lock_guard lock(seen.mutex);
    if (seen.read[c.layer].count(&in) == 0) throw std::runtime_error("the input moved");
    --seen.live[c.rank];
  }
  void parameters(auto&& visit) { visit("w", w, g); }
};

auto witnesses(int stages) {  // one layer a stage
  return sequential(layer<witness<nothing, float>>(), repeat<witness<float, float>>(stages - 2), layer<witness<float, double>>());
}

}  // namespace

TEST_CASE("a rank holds as many micro-batches at once as the plan says") {
  int runs = 0;
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    if constexpr (!std::is_same_v<S, forward_only>)
      for (int ranks : {2, 3, 4, 8})
        for (int m : {1, 5, 8})
          for (int chunks = 1; chunks <= (takes_chunks<S>() ? 3 : 1); ++chunks) {
            const sizes z{.ranks = ranks, .micro_batches = m, .chunks = chunks};
            if (refuses(s, z)) continue;
            const plan order = make_plan(s, z);
            seen.clear();
            pipeline p(witnesses(order.stages), toy::cut_of(order.stages, order.stages), order);
            for (int i = 0; i < 3; ++i) p.step();
            p.finish();
            const forecast f = simulate(order);
            INFO(sweep::place(s.name, z));
            for (int r = 0; r < ranks; ++r) CHECK(seen.most[r] == f.peak_of[r] * plan_view(order).chunks(r));
            ++runs;
          }
  });
  CHECK(runs >= 4 * 3 * 5 - 12);
}

TEST_CASE("a boundary is handed over, never copied: the receiver reads where the sender wrote") {
  for (int chunks : {1, 2}) {
    const plan order = make_plan(interleaved_one_f_one_b{}, {.ranks = 4, .micro_batches = 8, .chunks = chunks});
    seen.clear();
    pipeline p(witnesses(order.stages), toy::cut_of(order.stages, order.stages), order);
    for (int i = 0; i < 3; ++i) p.step();
    p.finish();
    for (int boundary = 1; boundary < order.stages; ++boundary) {
      CHECK(seen.written[boundary] == seen.read[boundary]);
      CHECK(seen.written[boundary].size() <= 8);  // the same few objects, step after step
    }
  }
}

namespace {

/// Sends one message of the second step under another's name.
class mixed_up : public threads {
 public:
  explicit mixed_up(int ranks) : threads(ranks, {.deadline = 20}) {}
  template <class Say>
  void put(channel& c, message_id id, void* object, Say&& say) {
    if (id.step == 1 && id.box == 2 && c.shape.from == 1 && c.shape.to == 0) --id.step;
    threads::put(c, id, object, say);
  }
};

}  // namespace

TEST_CASE("a message with another identity is named at the action that wants it") {
  mixed_up t(2);
  pipeline p(t, witnesses(2), cut::of({1, 1}), make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4}));
  CHECK(sweep::thrown([&] { p.step().loss(); }) == "");
  CHECK(sweep::thrown([&] { p.step().loss(); }) ==
        "stretto: rank 0 step 13 (0B2) threw: message of channel 1 box 2 of step 1 from stage 1 (rank 1) came as channel 1 box 2 of step 0; "
        "the transport mixes up messages, put it through conformance.hpp");
}
