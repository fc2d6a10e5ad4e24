// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranges for profilers: every pass and every send of a step, by name, begun and ended on the rank's thread.
#include <algorithm>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <stretto/run/nvtx.hpp>
#include <stretto/run/pipeline.hpp>
#include <stretto/schedule.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

template <class In, class Out>
struct idler {
  using input = In;
  using output = Out;
  bool throws = false;
  explicit idler(bool yes = false) : throws(yes) {}
  std::vector<float> w{1}, g{0};
  void forward(context& c, const In&, Out& out) {
    if (throws && c.share.micro_batch == 1) throw std::runtime_error("no");
    out = 1;
  }
  void backward_input(context&, const In&, const Out&, gradient_of<In>&) {}
  void backward_weight(context&, const In&, const Out&) {}
  void parameters(auto&& visit) { visit("w", w, g); }
};

/// Ranges that were begun, and how many are open, by thread.
struct listener {
  std::mutex mutex;
  std::vector<std::tuple<std::thread::id, std::string, int>> begun;
  int open = 0, ended = 0;

  static void begin(void* self, const char* name, int micro_batch) {
    listener& l = *static_cast<listener*>(self);
    const std::lock_guard lock(l.mutex);
    l.begun.push_back({std::this_thread::get_id(), name, micro_batch});
    ++l.open;
  }
  static void end(void* self) {
    listener& l = *static_cast<listener*>(self);
    const std::lock_guard lock(l.mutex);
    --l.open, ++l.ended;
  }
};

}  // namespace

TEST_CASE("every pass and send of a step is a range of its rank's thread, in the order of its list") {
  listener heard;
  const range_hooks hooks{listener::begin, listener::end, &heard};
  pipeline p(sequential(layer<idler<nothing, float>>(), layer<idler<float, double>>()), cut::of({1, 1}), make_plan(zb_h1{}, {.ranks = 2, .micro_batches = 3}), sgd{}, {.ranges = &hooks});
  p.step().loss();
  p.finish();
  const std::lock_guard lock(heard.mutex);
  CHECK(heard.open == 0);
  std::vector<std::vector<std::string>> names(2), wanted(2);
  const plan_view v = p.steps();
  for (int r = 0; r < 2; ++r)
    for (const action& a : v.order(r))
      if (a.kind != role::receive && (a.is_message() || v.passes->passes[a.pass].per != share::step)) wanted[static_cast<std::size_t>(r)].emplace_back(name_of(v, a).str());
  const std::thread::id first = std::get<0>(*std::find_if(heard.begun.begin(), heard.begun.end(), [](const auto& b) { return std::get<1>(b)[0] == '0'; }));
  for (const auto& [thread, name, micro_batch] : heard.begun) {
    names[thread == first ? 0 : 1].push_back(name);
    CHECK(name.find(std::to_string(micro_batch), 1) != std::string::npos);
  }
  CHECK(names == wanted);
}

TEST_CASE("a range ends when its pass throws") {
  listener heard;
  const range_hooks hooks{listener::begin, listener::end, &heard};
  {
    pipeline p(sequential(layer<idler<nothing, float>>(true), layer<idler<float, double>>()), cut::of({1, 1}), make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 3}), sgd{}, {.ranges = &hooks});
    CHECK_THROWS(p.step().loss());
  }
  CHECK(heard.open == 0);
  CHECK(heard.ended > 0);
}
