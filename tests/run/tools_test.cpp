// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the layers of a rank share, and what they make of their weights.
#include "catch.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include <stretto/run.hpp>

using namespace stretto;

namespace {

/// Counts what is made, and how large.
struct bench_of_rank {
  static inline std::mutex one_at_a_time;
  static inline std::vector<int> sizes;  // of those that were made, when they are dropped
  int size;
  explicit bench_of_rank(int first) : size(first) {}
  ~bench_of_rank() {
    const std::lock_guard<std::mutex> alone(one_at_a_time);
    sizes.push_back(size);
  }
  std::int64_t bytes() const { return size; }
};

struct start {
  using input = nothing;
  using output = double;
  void forward(context& c, const nothing&, double& y) { y = 1 + c.share.micro_batch; }
};

/// y = w x, through a copy of w that is made when it has changed.
struct copying {
  using input = double;
  using output = double;
  using tools = bench_of_rank;
  int wants;
  std::vector<double> w{2}, gradient{0};
  double copy = 0, copies = 0;
  explicit copying(int size) : wants(size) {}
  tools make_tools() const { return tools(1); }
  void reserve(tools& t) { t.size = (std::max)(t.size, wants); }
  void weights_changed(context& c) {
    REQUIRE(c.tools<tools>().size >= wants);
    copy = w[0], ++copies;
  }
  std::int64_t bytes() const { return 1000; }
  void forward(context& c, const double& x, double& y) {
    REQUIRE(c.tools<tools>().size >= wants);
    REQUIRE(copy == w[0]);
    y = copy * x;
  }
  void backward_input(context&, const double&, const double& dy, double& dx) { dx = copy * dy; }
  void backward_weight(context&, const double& x, const double& dy) { gradient[0] += x * dy; }
  void parameters(auto&& visit) { visit("w", w, gradient); }
};

struct nameless {
  using input = double;
  using output = double;
  void forward(context& c, const double& x, double& y) { y = x + c.tools<bench_of_rank>().size; }
  void backward_input(context&, const double&, const double& dy, double& dx) { dx = dy; }
};

auto chain() { return sequential(layer<start>(), layer<copying>(3), layer<copying>(7), layer<copying>(5)); }

}  // namespace

TEST_CASE("a rank has one object of the tools that its layers name, and each reserves what it needs") {
  bench_of_rank::sizes.clear();
  {
    pipeline p(chain(), cut::of({2, 2}), make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4}), sgd{.rate = 1e-4});
    p.step().loss();
    p.step().loss();
  }
  std::sort(bench_of_rank::sizes.begin(), bench_of_rank::sizes.end());
  CHECK(bench_of_rank::sizes == std::vector<int>{3, 7});
}

TEST_CASE("layers are told when their weights have changed, by an update or by somebody else") {
  pipeline p(chain(), cut::of({2, 2}), make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4}), sgd{.rate = 1e-3});
  const double first = p.step().loss();  // the layers hold copies to their weights themselves
  CHECK(p.step().loss() < first);
  for (const parameter& q : p.parameters()) static_cast<double*>(q.value)[0] = 2;
  p.weights_changed();
  CHECK(p.step().loss() == first);
}

TEST_CASE("tools that no layer of the rank names are refused where they are asked for") {
  pipeline p(sequential(layer<start>(), layer<nameless>()), cut::of({2}), make_plan(one_f_one_b{}, {.ranks = 1, .micro_batches = 1}));
  CHECK_THROWS_WITH(p.step().loss(), "stretto: rank 0 step 0 (0F0) layer 1 threw: layer 1 asks for tools that no layer of rank 0 names; add using tools = their type to the layer");
}

TEST_CASE("a dry run counts tools by rank, what layers keep, and the optimizer's numbers") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4});
  const dry_report d = dry_run(chain(), cut::of({2, 2}), order, {.states = 2});
  CHECK(d.ranks[0].parameters == 1000 + 2 * 8);
  CHECK(d.ranks[1].parameters == 2 * (1000 + 2 * 8));
  CHECK(d.ranks[0].optimizer == 2 * 8);
  CHECK(d.ranks[1].optimizer == 2 * 2 * 8);
  CHECK(d.ranks[1].workspace - dry_run(chain(), cut::of({3, 1}), order).ranks[1].workspace == 7 - 5 + 8);  // a gradient between layers, too
}
