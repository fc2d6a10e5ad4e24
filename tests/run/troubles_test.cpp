// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What users of pipelines run into, each held to be otherwise here. docs/troubles.md has the list.
#include <cmath>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "catch.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"
#include <stretto/run.hpp>

using namespace stretto;

namespace {

/// Visits every schedule that trains, with sizes that it takes.
template <class Visit>
void each_schedule(int ranks, int micro_batches, Visit&& visit) {
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    if constexpr (!std::is_same_v<S, forward_only>) {
      const sizes z{.ranks = ranks, .micro_batches = micro_batches, .chunks = takes_chunks<S>() ? 2 : 1};
      if (!refuses(s, z)) visit(make_plan(s, z));
    }
  });
}

/// x · w + b over rows that the feeds give, squared distance to the labels: a model whose gradient is known.
struct rows_in {
  using input = nothing;
  using output = values<double>;
  std::vector<double> w{0.5}, g{0};
  output make_output() const { return output(8); }
  void forward(context& c, const nothing&, output& out) {
    const auto x = c.feed<double>("x");
    out.resize(x.count);
    for (std::int64_t i = 0; i < x.count; ++i) out[i] = w[0] * x[i];
  }
  void backward_input(context&, const nothing&, const output&, nothing&) {}
  void backward_weight(context& c, const nothing&, const output& d) {
    const auto x = c.feed<double>("x");
    for (std::int64_t i = 0; i < x.count; ++i) g[0] += x[i] * d[i];
  }
  void parameters(auto&& visit) { visit("w", w, g); }
};
struct rows_on {
  using input = values<double>;
  using output = values<double>;
  output make_output() const { return output(8); }
  void forward(context&, const input& in, output& out) { out.assign(in); }
  void backward_input(context&, const input&, const output& g, input& d) { d.assign(g); }
};
struct rows_out {
  using input = values<double>;
  using output = double;
  void forward(context& c, const input& in, double& out) {
    const auto y = c.feed<double>("y");
    if (y.count != in.size()) throw std::runtime_error("labels of another micro-batch");
    out = 0;
    for (std::int64_t i = 0; i < y.count; ++i) out += (in[i] - y[i]) * (in[i] - y[i]);
  }
  void backward_input(context& c, const input& in, const double& g, input& d) {
    const auto y = c.feed<double>("y");
    d.resize(y.count);
    for (std::int64_t i = 0; i < y.count; ++i) d[i] = 2 * (in[i] - y[i]) * g;
  }
};

/// Rows 0 … n - 1 shared out over micro-batches whose sizes differ by one at most.
struct shares {
  std::vector<double> x, y;
  int micro_batches;
  shares(int rows, int m) : micro_batches(m) {
    for (int i = 0; i < rows; ++i) x.push_back(1 + 0.25 * i), y.push_back(std::cos(i));
  }
  template <class P>
  void feed(P& p) const {
    const auto part = [this](const std::vector<double>& all) {
      return [this, &all](const data_share& s) {
        const auto n = static_cast<std::int64_t>(all.size());
        const std::int64_t from = n * s.micro_batch / micro_batches, to = n * (s.micro_batch + 1) / micro_batches;
        return view<const double>{all.data() + from, to - from};
      };
    };
    p.template feed<double>("x", part(x));
    p.template feed<double>("y", part(y));
  }
};

auto rows_model(int layers) { return sequential(layer<rows_in>(), repeat<rows_on>(layers - 2), layer<rows_out>()); }

}  // namespace

TEST_CASE("trouble: fewer micro-batches than stages") {
  for (int m = 1; m <= 4; ++m)
    each_schedule(4, m, [&](const plan& order) {
      const shares data(m, m);
      pipeline p(rows_model(8), toy::cut_of(8, order.stages), order, sgd{.rate = 0});
      data.feed(p);
      double expected = 0;
      for (std::size_t i = 0; i < data.x.size(); ++i) expected += std::pow(0.5 * data.x[i] - data.y[i], 2);
      CHECK(p.step(m).loss() == Approx(expected / m));
    });
}

TEST_CASE("trouble: a last batch that doesn't divide, and a loss weighted by micro-batch in place of by row") {
  for (int rows : {8, 7, 3}) {
    const shares data(rows, 3);
    double loss = 0, gradient = 0;
    for (std::size_t i = 0; i < data.x.size(); ++i) {
      const double off = 0.5 * data.x[i] - data.y[i];
      loss += off * off, gradient += 2 * off * data.x[i];
    }
    each_schedule(2, 3, [&](const plan& order) {
      pipeline p(rows_model(6), toy::cut_of(6, order.stages), order, sgd{.rate = 0});
      data.feed(p);
      CHECK(p.step(rows).loss() == Approx(loss / rows).epsilon(1e-12));
      CHECK(*static_cast<const double*>(p.parameters()[0].gradient) == Approx(gradient / rows).epsilon(1e-12));
    });
  }
}

TEST_CASE("trouble: the loss computed against the labels of another micro-batch") {
  // Labels say where they belong; so does what arrives.
  for (int m : {3, 8})
    each_schedule(4, m, [&](const plan& order) {
      std::vector<double> ids(static_cast<std::size_t>(m));
      for (int i = 0; i < m; ++i) ids[static_cast<std::size_t>(i)] = i + 1;
      pipeline p(rows_model(8), toy::cut_of(8, order.stages), order, sgd{.rate = 0});
      p.feed<double>("x", [&](const data_share& s) { return view<const double>{&ids[static_cast<std::size_t>(s.micro_batch)], 1}; });
      std::vector<double> halves;
      for (double id : ids) halves.push_back(id / 2);
      p.feed<double>("y", [&](const data_share& s) { return view<const double>{&halves[static_cast<std::size_t>(s.micro_batch)], 1}; });
      CHECK(p.step(1).loss() == 0);
    });
}

namespace {

std::mutex built_mutex;
std::vector<int> built;  // by layer: how often

struct counted : rows_on {
  void forward(context& c, const values<double>& in, values<double>& out) {
    {
      const std::lock_guard lock(built_mutex);
      ++built[static_cast<std::size_t>(c.layer)];
    }
    rows_on::forward(c, in, out);
  }
};

}  // namespace

TEST_CASE("trouble: layers dropped or done twice where they don't divide by the stages") {
  for (int layers = 8; layers <= 13; ++layers)
    each_schedule(4, 2, [&](const plan& order) {
      if (order.stages > layers) return;
      built.assign(static_cast<std::size_t>(layers), 0);
      const shares data(2, 2);
      pipeline p(sequential(layer<rows_in>(), repeat<counted>(layers - 2), layer<rows_out>()), even_cut(std::vector<double>(static_cast<std::size_t>(layers), 1.0), order.stages), order, sgd{});
      data.feed(p);
      p.step(2).loss();
      for (int l = 1; l + 1 < layers; ++l) CHECK(built[static_cast<std::size_t>(l)] == 2);
    });
}

TEST_CASE("trouble: tied weights that come apart") {
  const toy::data data(4);
  const auto tables = [&](int ranks) {
    pipeline p(toy::model_of(6), toy::cut_of(9, ranks), make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = 4}), adamw{.rate = 0.01}, {.seed = 3, .samples = toy::rows, .clip = 0.5});
    toy::feed(p, data);
    for (int i = 0; i < 20; ++i) p.step(12);
    p.finish();
    std::vector<std::vector<float>> all;
    for (const parameter& one : p.parameters())
      if (!one.tie.empty()) all.emplace_back(static_cast<const float*>(one.value), static_cast<const float*>(one.value) + one.count);
    REQUIRE(all.size() == 2);
    CHECK(all[0] == all[1]);
    return all[0];
  };
  const auto one = tables(1);
  CHECK(tables(2) == one);
  CHECK(tables(4) == one);
}

namespace {

/// The same weight twice: w (w x).
template <bool Split>
struct twice {
  using input = double;
  using output = double;
  using saved = double;
  std::vector<double> w{3}, g{0};
  void forward(context&, const double& in, double& out, double& inner) { out = w[0] * (inner = w[0] * in); }
  void backward_input(context&, const double&, const double& dy, double& dx, double&)
    requires Split
  {
    dx = w[0] * w[0] * dy;
  }
  void backward_weight(context&, const double& in, const double& dy, double& inner)
    requires Split
  {
    g[0] += inner * dy, g[0] += w[0] * in * dy;
  }
  void backward(context&, const double& in, const double& dy, double& dx, double& inner)
    requires(!Split)
  {
    dx = w[0] * w[0] * dy, g[0] += inner * dy, g[0] += w[0] * in * dy;
  }
  void parameters(auto&& visit) { visit("w", w, g); }
};
struct one_in {
  using input = nothing;
  using output = double;
  void forward(context& c, const nothing&, double& out) { out = c.share.micro_batch + 1; }
  void backward_input(context&, const nothing&, const double&, nothing&) {}
};
struct one_out {
  using input = double;
  using output = double;
  void forward(context&, const double& in, double& out) { out = in; }
  void backward_input(context&, const double&, const double& g, double& d) { d = g; }
};

}  // namespace

TEST_CASE("trouble: a weight that is used twice counted twice where backward is split") {
  draft d;
  d.order_of = {{action::forward(0, 0), action::forward(0, 1), action::backward_input(0, 0), action::backward_input(0, 1), action::backward_weight(0, 0), action::backward_weight(0, 1)}};
  pipeline split(sequential(layer<one_in>(), layer<twice<true>>(), layer<one_out>()), cut::of({3}), make_plan(d), sgd{.rate = 0});
  pipeline fused(sequential(layer<one_in>(), layer<twice<false>>(), layer<one_out>()), cut::of({3}), make_plan(gpipe{}, {.ranks = 1, .micro_batches = 2}), sgd{.rate = 0});
  CHECK(split.step(1).loss() == fused.step(1).loss());
  split.finish(), fused.finish();
  CHECK(*static_cast<const double*>(split.parameters()[0].gradient) == 2 * 3 * (1 + 2));
  CHECK(*static_cast<const double*>(fused.parameters()[0].gradient) == 2 * 3 * (1 + 2));
}

TEST_CASE("trouble: gradients clipped by the norm of one stage") {
  const toy::data data(4);
  const auto norms = [&](int ranks) {
    pipeline p(toy::model_of(6), toy::cut_of(9, ranks), make_plan(gpipe{}, {.ranks = ranks, .micro_batches = 4}), sgd{.rate = 0.1}, {.seed = 3, .samples = toy::rows, .clip = 0.01});
    toy::feed(p, data);
    std::vector<double> all;
    for (int i = 0; i < 10; ++i) {
      auto step = p.step(12);
      all.push_back(step.norm());
    }
    return all;
  };
  CHECK(norms(1).front() > 0.01);
  CHECK(norms(2) == norms(1));
  CHECK(norms(4) == norms(1));
}

TEST_CASE("trouble: a loss curve that differs from the run on one rank") {
  const toy::data data(5);
  const auto curve = [&](const plan& order) {
    pipeline p(toy::model_of(9), toy::cut_of(12, order.stages), order, adamw{.rate = 0.01}, {.seed = 3, .samples = toy::rows, .clip = 1});
    toy::feed(p, data);
    std::vector<double> losses;
    for (int i = 0; i < 50; ++i) losses.push_back(p.step(15).loss());
    return losses;
  };
  const auto one = curve(make_plan(gpipe{}, {.ranks = 1, .micro_batches = 5}));
  CHECK(one.back() < one.front());
  int plans = 0;
  each_schedule(4, 5, [&](const plan& order) {
    if (!toy::adds_ascending(order)) return;
    CHECK(curve(order) == one);
    ++plans;
  });
  CHECK(plans >= 3);
}

namespace {

std::vector<std::vector<std::uint32_t>> masks;  // by layer: what was drawn for each sample

struct drawing : rows_on {
  void forward(context& c, const values<double>& in, values<double>& out) {
    {
      const std::lock_guard lock(built_mutex);
      auto& here = masks[static_cast<std::size_t>(c.layer)];
      for (std::int64_t i = 0; i < 2; ++i) here[static_cast<std::size_t>(2 * c.share.micro_batch + i)] = c.random(i).bits(0);
    }
    rows_on::forward(c, in, out);
  }
};

}  // namespace

TEST_CASE("trouble: dropout that hangs on how the model is cut") {
  const auto drawn = [](const plan& order) {
    masks.assign(12, std::vector<std::uint32_t>(8));
    const shares data(8, 4);
    pipeline p(sequential(layer<rows_in>(), repeat<drawing>(10), layer<rows_out>()), toy::cut_of(12, order.stages), order, sgd{}, {.seed = 9, .samples = 2});
    data.feed(p);
    p.step(8).loss();
    p.finish();
    return masks;
  };
  const auto one = drawn(make_plan(gpipe{}, {.ranks = 1, .micro_batches = 4}));
  CHECK(one[3] != one[4]);
  CHECK(one[3][0] != one[3][1]);
  for (int ranks : {2, 4}) each_schedule(ranks, 4, [&](const plan& order) { CHECK(drawn(order) == one); });
}

TEST_CASE("trouble: evaluation before, between and after training steps, with another number of micro-batches") {
  const toy::data data(8);
  const auto run = [&](int ranks, bool evaluates) {
    pipeline p(toy::model_of(6), toy::cut_of(9, ranks), make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = 4}), adamw{.rate = 0.01}, {.seed = 3, .samples = toy::rows});
    toy::feed(p, data);
    const int e = p.bind(make_plan(forward_only{}, {.ranks = ranks, .micro_batches = 7}));
    std::vector<double> trained, evaluated;
    for (int i = 0; i < 4; ++i) {
      if (evaluates) evaluated.push_back(p.run(e, 21).loss());
      if (evaluates && i == 2) evaluated.push_back(p.run(e, 21).loss());
      trained.push_back(p.step(12).loss());
    }
    if (evaluates) evaluated.push_back(p.run(e, 21).loss());
    return std::make_pair(trained, evaluated);
  };
  const auto one = run(1, true);
  CHECK(one.second.size() == 6);
  CHECK(one.second[2] == one.second[3]);  // it changes nothing
  CHECK(one.second.front() != one.second.back());
  CHECK(run(3, true) == one);
  CHECK(run(3, false).first == one.first);
}

TEST_CASE("trouble: memory that grows with the number of micro-batches") {
  const auto m = rows_model(8);
  const auto kept = [&](const auto& schedule, int micro_batches) {
    const dry_report d = dry_run(m, cut::of({2, 2, 2, 2}), make_plan(schedule, {.ranks = 4, .micro_batches = micro_batches}));
    return d.total().memory();
  };
  CHECK(kept(one_f_one_b{}, 64) == kept(one_f_one_b{}, 4));
  CHECK(kept(gpipe{}, 64) > kept(gpipe{}, 4));
}

TEST_CASE("trouble: a loss that only the last rank knows") {
  // Each rank binds a pipeline of its own; rank 0 has no loss layer.
  threads t(3, {.deadline = 20});
  std::vector<double> losses(3);
  std::vector<std::thread> all;
  for (int r = 0; r < 3; ++r)
    all.emplace_back([&, r] {
      const shares data(4, 4);
      endpoint mine(t, r);
      pipeline p(mine, rows_model(6), cut::of({2, 2, 2}), make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 4}), sgd{.rate = 0});
      data.feed(p);
      losses[static_cast<std::size_t>(r)] = p.step(4).loss();
    });
  for (std::thread& one : all) one.join();
  CHECK(losses[0] > 0);
  CHECK(losses[0] == losses[1]);
  CHECK(losses[0] == losses[2]);
}
