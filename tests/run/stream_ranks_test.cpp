// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pipelines whose layers work on streams: under every schedule, on one to four ranks, nothing is touched before it is ready,
// whatever order the device does its work in, and loss and weights have the bits of one rank.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include <stretto/cuda/checked.hpp>
#include <stretto/cuda/sum.hpp>
#include <stretto/cuda/tools.hpp>
#include <stretto/run.hpp>
#include <stretto/schedule.hpp>
#include <stretto/transport/seeded.hpp>
#include <stretto/transport/stream_ranks.hpp>

#include "catch.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;
using cuda::checked;

namespace {

constexpr std::int64_t width = 3;
using space = cuda::basic_memory<checked>;
using numbers = tensor<float, 1, space>;
using numbers_view = tensor_view<float, 1, space>;
using device_tools = cuda::basic_tools<checked>;
const cuda::queue_options small{.scratch_bytes = 4096, .upload_bytes = 256, .uploads = 3};

/// What a function of the CPU is given, in place of a kernel.
struct work {
  const float *x = nullptr, *dy = nullptr, *w = nullptr;
  float *y = nullptr, *dw = nullptr;
  double *sum = nullptr, *to = nullptr;
  double g = 0;
  const optimizer_scalars* scalars = nullptr;
};

struct start_layer {
  using input = nothing;
  using output = numbers;
  using tools = device_tools;
  tools make_tools() const { return tools(small); }
  output make_output() const { return output({width}); }
  void forward(context& c, const nothing&, output& y) {
    auto& q = c.tools<tools>().queue;
    q.copy(q.upload(c.feed<float>("x")), y);
  }
  void backward_input(context&, const nothing&, const output&, nothing&) {}
};

/// y = sin(w x), with its gradients in two halves.
struct wave_layer {
  using input = numbers;
  using output = numbers;
  using tools = device_tools;
  numbers w{{width}}, dw{{width}};
  explicit wave_layer(layer_index at) {
    std::vector<float> first;
    for (std::int64_t i = 0; i < width; ++i) first.push_back(0.5f + 0.1f * static_cast<float>(at.value) + 0.03f * static_cast<float>(i));
    cuda::to_device(w, first.data());
  }
  tools make_tools() const { return tools(small); }
  output make_output() const { return output({width}); }
  void forward(context& c, const input& x, output& y) {
    c.tools<tools>().queue.call<work>("forward", [](const work& a) {
      for (int i = 0; i < width; ++i) a.y[i] = std::sin(a.w[i] * a.x[i]);
    }, {.x = x.data(), .w = w.data(), .y = y.data()}, cuda::reads_of(x, w), cuda::writes_of(y));
  }
  void backward_input(context& c, const input& x, const output& dy, input& dx) {
    c.tools<tools>().queue.call<work>("backward_input", [](const work& a) {
      for (int i = 0; i < width; ++i) a.y[i] = a.dy[i] * std::cos(a.w[i] * a.x[i]) * a.w[i];
    }, {.x = x.data(), .dy = dy.data(), .w = w.data(), .y = dx.data()}, cuda::reads_of(x, dy, w), cuda::writes_of(dx));
  }
  void backward_weight(context& c, const input& x, const output& dy) {
    c.tools<tools>().queue.call<work>("backward_weight", [](const work& a) {
      for (int i = 0; i < width; ++i) a.dw[i] += a.dy[i] * std::cos(a.w[i] * a.x[i]) * a.x[i];
    }, {.x = x.data(), .dy = dy.data(), .w = w.data(), .dw = dw.data()}, cuda::reads_of(x, dy, w, dw), cuda::writes_of(dw));
  }
  void parameters(auto&& visit) { visit("w", w, dw); }
};

/// Its numbers are those of every other such layer.
struct tied_wave_layer : wave_layer {
  explicit tied_wave_layer(layer_index) : wave_layer(layer_index{2}) {}
  void parameters(auto&& visit) { visit("w", w, dw, tied{"wave"}); }
};

struct loss_layer {
  using input = numbers;
  using output = cuda::basic_sum<checked>;
  using tools = device_tools;
  tools make_tools() const { return tools(small); }
  void forward(context& c, const input& x, output& sum) {
    c.tools<tools>().queue.call<work>("loss", [](const work& a) {
      *a.sum = 0;
      for (int i = 0; i < width; ++i) *a.sum += static_cast<double>(a.x[i] * a.x[i]);
    }, {.x = x.data(), .sum = sum.view().data()}, cuda::reads_of(x), cuda::writes_of(sum.view()));
  }
  void backward_input(context& c, const input& x, const double& g, input& dx) {
    c.tools<tools>().queue.call<work>("loss_backward", [](const work& a) {
      for (int i = 0; i < width; ++i) a.y[i] = static_cast<float>(2 * a.g) * a.x[i];
    }, {.x = x.data(), .y = dx.data(), .g = g}, cuda::reads_of(x), cuda::writes_of(dx));
  }
};

/// w -= rate g, on the device.
struct device_sgd {
  using queue = cuda::basic_queue<checked>;
  static constexpr int states = 1;
  double rate = 0.05;

  static numbers_view gradient_of(const parameter& p) { return {static_cast<float*>(p.gradient), {{p.count}}}; }
  static void clear(queue& q, const parameter& p) { q.zero(gradient_of(p)); }
  static void squares(queue& q, const parameter& p, double* to) {
    q.call<work>("squares", [](const work& a) {
      *a.sum = 0;
      for (int i = 0; i < width; ++i) *a.sum += static_cast<double>(a.x[i]) * static_cast<double>(a.x[i]);
    }, {.x = static_cast<const float*>(p.gradient), .sum = to}, cuda::reads_of(gradient_of(p)), cuda::writes_of(cuda::memory_run{to, 8}));
  }
  static void sum_tied(queue& q, const float* const* shares, int uses, std::int64_t count, float* to, double* squares) {
    struct tied_work {
      const float* shares[8];
      int uses;
      float* to;
      double* squares;
    } w{{}, uses, to, squares};
    REQUIRE((uses <= 8 && count == width));
    std::copy(shares, shares + uses, w.shares);
    const auto of = [&](int u) { return cuda::memory_run{u < uses ? shares[u] : nullptr, u < uses ? count * 4 : 0}; };
    q.call<tied_work>("sum_tied", [](const tied_work& a) {
      *a.squares = 0;
      for (int i = 0; i < width; ++i) {
        double sum = 0;
        for (int u = 0; u < a.uses; ++u) sum += static_cast<double>(a.shares[u][i]);
        *a.squares += sum * sum;
        if (a.to != nullptr) a.to[i] = static_cast<float>(sum);
      }
    }, w, cuda::reads_of(of(0), of(1), of(2), of(3), of(4), of(5), of(6), of(7)), cuda::writes_of(cuda::memory_run{to, to != nullptr ? count * 4 : 0}, cuda::memory_run{squares, 8}));
  }
  void step(queue& q, const parameter& p, const optimizer_scalars* scalars) const {
    const numbers_view w(static_cast<float*>(p.value), {{p.count}});
    q.call<work>("sgd", [](const work& a) {
      for (int i = 0; i < width; ++i) a.y[i] -= static_cast<float>(a.g * a.scalars->scale) * a.x[i];
    }, {.x = static_cast<const float*>(p.gradient), .y = w.data(), .g = rate, .scalars = scalars}, cuda::reads_of(gradient_of(p), w, cuda::memory_run{scalars, sizeof *scalars}), cuda::writes_of(w));
  }
};

const auto model = sequential(layer<start_layer>(), repeat<wave_layer>(6), layer<loss_layer>());
const auto tied_model = sequential(layer<start_layer>(), layer<tied_wave_layer>(), repeat<wave_layer>(2), layer<tied_wave_layer>(), layer<wave_layer>(), layer<tied_wave_layer>(), layer<loss_layer>());

struct outcome_of {
  std::vector<double> losses, norms;
  std::vector<float> weights;
  std::vector<std::string> faults;
  bool same(const outcome_of& o) const { return losses == o.losses && norms == o.norms && weights == o.weights; }
};

template <class Transport, class Model, class... How>
outcome_of train(const Model& m, const plan& order, const cuda::checked_options& device, const pipeline_options& how, const How&... pace) {
  checked::begin(device);
  outcome_of out;
  {
    Transport t(order.ranks, pace...);
    pipeline p(t, m, even_cut(std::vector<double>(8, 1), order.stages), order, device_sgd{}, how);
    const std::vector<float> x{0.1f, 0.4f, 0.9f, 0.2f, 0.3f, 0.8f, 0.7f, 0.6f, 0.5f, 0.35f};
    p.template feed<float>("x", [&](const data_share& s) { return view<const float>{&x[static_cast<std::size_t>(s.micro_batch % 7)], width}; });
    for (int i = 0; i < 3; ++i) {
      auto h = p.step(order.micro_batches);
      out.losses.push_back(h.loss()), out.norms.push_back(h.norm());
    }
    p.finish();
    for (const parameter& one : p.parameters()) {
      out.weights.resize(out.weights.size() + static_cast<std::size_t>(one.count));
      cuda::to_host(tensor_view<float, 1, space>(static_cast<float*>(one.value), {{one.count}}), out.weights.data() + out.weights.size() - one.count);
    }
  }
  out.faults = checked::finish();
  return out;
}
using streams = stream_ranks<checked>;
using seeded_streams = stream_ranks<checked, detail::baton>;

}  // namespace

namespace {

/// On one to four ranks; how many plans.
template <class Model>
int under_every_schedule(const Model& m, int devices, const std::vector<int>& sizes_of_steps) {
  int tried = 0;
  for (const int micro_batches : sizes_of_steps) {
    const outcome_of one = train<streams>(m, make_plan(gpipe{}, {.ranks = 1, .micro_batches = micro_batches}), {}, {.clip = 0.2});
    CHECK(one.faults.empty());
    CHECK(one.losses[2] < one.losses[0]);
    all_schedules::each([&](auto s) {
      using S = decltype(s);
      for (int ranks = 1; ranks <= 4; ++ranks)
        for (int chunks = 1; chunks <= (takes_chunks<S>() ? 2 : 1); ++chunks) {
          const sizes z{.ranks = ranks, .micro_batches = micro_batches, .chunks = chunks};
          if (refuses(s, z)) continue;
          const plan order = make_plan(s, z);
          if (!order.passes.has(pass::backward_weight) || order.stages > 8) continue;
          INFO(sweep::place(S::name, z));
          const auto seed = static_cast<std::uint32_t>(tried);
          const outcome_of many = tried % 3 == 0 ? train<seeded_streams>(m, order, {.seed = seed, .devices = devices}, {.clip = 0.2}, seeded_options{.seed = seed}) : train<streams>(m, order, {.seed = seed, .devices = devices}, {.clip = 0.2});
          for (const std::string& fault : many.faults) CHECK(fault == "");
          if (toy::adds_ascending(order)) CHECK(many.same(one));
          ++tried;
        }
    });
  }
  return tried;
}

}  // namespace

TEST_CASE("under every schedule streams wait for what they need, and give the bits of one rank") {
  CHECK(under_every_schedule(model, 1, {1, 4, 5}) > 100);
}
TEST_CASE("gradients of tied parameters are added on devices, with the bits of one rank on one device and on several") {
  CHECK(under_every_schedule(tied_model, 1, {4}) > 40);
  CHECK(under_every_schedule(tied_model, 3, {4}) > 40);
}

namespace {

/// Runtimes of which one call does nothing.
struct never_waits : checked {
  static void wait(stream, event) {}
};
struct never_settles : checked {
  static void synchronize(stream) {}
};
struct records_too_early : checked {  // when the event is made, and never again
  static event make_event() {
    const event e = checked::make_event();
    checked::record(e, 1);
    return e;
  }
  static void record(event, stream) {}
};

template <class Runtime>
bool is_found(const char* part) {
  const outcome_of o = train<stream_ranks<Runtime>>(model, make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 4}), {}, {});
  for (const std::string& fault : o.faults)
    if (fault.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("a transport that forgets to wait is found out") {
  CHECK(is_found<never_waits>("which 'forward' on stream 0 writes, and nothing orders"));
  CHECK(is_found<records_too_early>("nothing orders the one behind the other"));
  CHECK(is_found<never_settles>("'reading pinned memory' on the host reads"));
}

namespace {

std::vector<std::int64_t> forwards_done;  // when, by the steady clock; the device does one thing at a time

/// A wave that says when it is done.
struct telling_wave : wave_layer {
  using wave_layer::wave_layer;
  void forward(context& c, const input& x, output& y) {
    wave_layer::forward(c, x, y);
    c.tools<tools>().queue.call<work>("tell", [](const work&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      forwards_done.push_back(stretto::detail::clock_now());
    }, {}, cuda::reads_of(y));
  }
};

}  // namespace

TEST_CASE("what is measured of streams is when the device did it, not when it was asked to") {
  const auto telling = sequential(layer<start_layer>(), repeat<telling_wave>(6), layer<loss_layer>());
  for (const int ranks : {1, 3}) {
    forwards_done.clear();
    checked::begin({.seed = 3});
    {
      streams t(ranks);
      const plan order = make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = 4});
      pipeline p(t, telling, even_cut(std::vector<double>(8, 1), order.stages), order, device_sgd{}, {.clip = 0.2});
      const float x[width] = {0.1f, 0.4f, 0.9f};
      p.feed<float>("x", [&](const data_share&) { return view<const float>{x, width}; });
      struct measured_step {
        recording r;
        std::vector<std::int64_t> done;
      };
      std::vector<measured_step> all;
      double bound = 0;  // what the pipeline counts from, by the steady clock: a step is asked for a moment later than this says
      for (int step = 0; step < 6; ++step) {
        forwards_done.clear();
        const std::int64_t before = stretto::detail::clock_now();
        auto h = p.step(4);
        h.loss();
        all.push_back({h.measured(), forwards_done});
        bound = std::max(bound, static_cast<double>(before) * 1e-9 - all.back().r.asked[0]);
      }
      int good = 0;
      for (const auto& [r, done] : all) {
        const plan_view program = p.steps();
        REQUIRE(done.size() == 24);
        int windows = 0;
        double last = 0;
        for (int k = 0, entry = 0; k < ranks; ++k, last = 0)
          for (const action& a : program.order(k)) {
            const auto i = static_cast<std::size_t>(entry++);
            if (a.is_message() || a.stage < 0 || r.ends[i] == 0) continue;
            CHECK(r.starts[i] >= last);
            last = r.ends[i];
            if (a.pass != pass::forward) continue;
            int inside = 0;
            for (const std::int64_t t_done : done) {
              const double when = static_cast<double>(t_done) * 1e-9 - bound;
              inside += r.starts[i] - 1e-3 <= when && when <= r.ends[i] + 1e-3 ? 1 : 0;
            }
            windows += inside >= 6 / ranks;
          }
        good += windows == 4 * ranks ? 1 : 0;
        CHECK(r.messages.empty() == (ranks == 1));
        for (const message_times& m : r.messages) {
          CHECK(m.put > 0);
          CHECK(m.taken >= m.put - 1e-4);  // how well ranks agree about the time
        }
      }
      CHECK(good >= 3);  // of six: on a busy machine somebody may hear of a wait's end too late, and then times are late
    }
    CHECK(checked::finish().empty());
  }
}

TEST_CASE("what changes from step to step lies in one place of the device's memory") {
  checked::begin();
  {
    cuda::basic_queue<checked> q(small);
    CHECK(q.step_at(0) == nullptr);  // nobody has said which step it is
    q.begin_step({.loss_gradient = 0.25, .step = 7});
    const std::uint32_t* const at = q.step_at(7);
    const double* const gradient = q.loss_gradient<float>(0.25).data();
    REQUIRE(at != nullptr);
    CHECK(q.step_at(8) == nullptr);
    CHECK(q.loss_gradient<float>(0.5).data() != gradient);  // another number goes there by itself
    q.begin_step({.loss_gradient = 0.5, .step = 8});
    CHECK(q.step_at(8) == at);
    CHECK(q.loss_gradient<float>(0.5).data() == gradient);
    q.synchronize();
    CHECK(*at == 8);
    CHECK(*gradient == 0.5);
  }
  CHECK(checked::finish().empty());
}

namespace {

/// A loss that reads its gradient where the step has it.
struct reading_loss : loss_layer {
  void backward_input(context& c, const input& x, const double& g, input& dx) {
    auto& q = c.tools<tools>().queue;
    const auto there = q.loss_gradient<float>(g);
    CHECK(q.step_at(static_cast<std::uint32_t>(c.share.step)) != nullptr);
    struct job {
      const float* x;
      const double* g;
      float* dx;
    };
    q.call<job>("loss_backward", [](const job& a) {
      for (int i = 0; i < width; ++i) a.dx[i] = static_cast<float>(2 * *a.g) * a.x[i];
    }, {x.data(), there.data(), dx.data()}, cuda::reads_of(x, there), cuda::writes_of(dx));
  }
};

}  // namespace

TEST_CASE("a pipeline tells a rank's tools of each step, also where runs are gathered with normalizers of their own") {
  const auto reading = sequential(layer<start_layer>(), repeat<wave_layer>(6), layer<reading_loss>());
  const auto gathered = [](const auto& m) {
    checked::begin({.seed = 9});
    std::vector<double> out;
    {
      streams t(2);
      const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4});
      pipeline p(t, m, even_cut(std::vector<double>(8, 1), order.stages), order, device_sgd{}, {.clip = 0.2});
      const float x[width] = {0.1f, 0.4f, 0.9f};
      p.template feed<float>("x", [&](const data_share&) { return view<const float>{x, width}; });
      for (int i = 0; i < 3; ++i) {
        p.accumulate(3 + i);
        auto h = p.step(4);
        out.push_back(h.loss()), out.push_back(h.norm());
      }
    }
    for (const std::string& fault : checked::finish()) CHECK(fault == "");
    return out;
  };
  CHECK(gathered(reading) == gathered(model));
}
