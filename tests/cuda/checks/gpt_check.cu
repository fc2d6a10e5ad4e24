// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A GPT trained on a device, whole: with STRETTO_CHECK_TYPE in one type of numbers.
//   - Its loss falls: sequences that count by 1, 2 or 3 are soon foretold.
//   - Four streams under several schedules have the bits of one rank: losses, norms, weights.
//   - In float its first losses are those of the CPU, within what rounding makes of them.
//   - When the device did what in a step, beside what simulate() foretells from the mean cost of each pass; with STRETTO_PICTURE
//     set to the name of a file, drawn there.
#include <cstdlib>

#include <stretto/cuda.cuh>
#include <stretto/draw/html.hpp>
#include <stretto/host.hpp>
#include <stretto/model/transformer.hpp>
#include <stretto/run.hpp>
#include <stretto/run/measured.hpp>
#include <stretto/schedule.hpp>
#include <stretto/train/file.hpp>
#include <stretto/transport/stream_ranks.hpp>

#include "check.hpp"

namespace {

using namespace stretto;
using check::checked;

constexpr int batches = 8, tokens = 24;

transformer_shape sizes_of_it() {
  transformer_shape s = gpt2_shape(4, 64, 4, tokens, 32);
  s.samples = 8, s.dropout = 0.02;
  return s;
}

std::vector<std::int32_t> sequences(const transformer_shape& s, std::int64_t step, std::int64_t from) {
  std::vector<std::int32_t> all;
  for (std::int64_t n = 0; n < batches * s.samples; ++n) {
    const random_stream drawn{.seed = 7, .step = static_cast<std::uint32_t>(step), .sample = static_cast<std::uint32_t>(n)};
    const auto begin = static_cast<std::int64_t>(drawn.bits(0) % tokens), by = static_cast<std::int64_t>(1 + drawn.bits(1) % 3);
    for (std::int64_t i = from; i < from + s.sequence; ++i) all.push_back(static_cast<std::int32_t>((begin + i * by) % tokens));
  }
  return all;
}

struct outcome {
  std::vector<double> losses, norms;
  std::vector<float> weights;
  double foretold = 0, measured = 0;  // seconds of the last step
  std::string page;
  bool same(const outcome& o) const { return losses == o.losses && norms == o.norms && weights == o.weights; }
};

/// Over a pipeline of either device.
template <class Pipeline>
outcome train_by(Pipeline& p, const transformer_shape& s, int steps, double scale) {
  outcome out;
  std::vector<std::int32_t> inputs, labels;
  p.template feed<std::int32_t>("tokens", [&](const data_share& d) { return view<const std::int32_t>{inputs.data() + d.first_sample * s.sequence, s.rows()}; });
  p.template feed<std::int32_t>("labels", [&](const data_share& d) { return view<const std::int32_t>{labels.data() + d.first_sample * s.sequence, s.rows()}; });
  p.rule().loss_scale = scale;
  for (int step = 0; step < steps; ++step) {
    inputs = sequences(s, step, 0), labels = sequences(s, step, 1);
    auto h = p.step(static_cast<double>(batches * s.rows()));
    out.losses.push_back(h.loss()), out.norms.push_back(h.norm());
    if (step + 1 < steps) continue;
    const recording r = h.measured();
    const costs mean = mean_costs(p.steps(), r);
    const timeline foretold = make_timeline(p.steps(), mean, holding(), {.unit = "s"}), measured = make_timeline(p.steps(), r);
    out.foretold = foretold.makespan, out.measured = measured.makespan;
    out.page = to_html(foretold, &measured);
  }
  p.finish();
  for (const parameter& one : p.parameters()) {
    out.weights.resize(out.weights.size() + static_cast<std::size_t>(one.count));
    one.copy(out.weights.data() + out.weights.size() - one.count, one.value, one.count * 4);
  }
  return out;
}
constexpr adamw_options rule{.rate = 0.003};

template <class Runtime, class T>
outcome train(const plan& order, int steps) {
  using device = cuda::basic_device<Runtime>;
  const transformer_shape s = sizes_of_it();
  stream_ranks<Runtime> t(order.ranks);
  pipeline p(t, transformer<device, T>(s, {.seed = 1}), even_cut(layer_costs(s), order.stages), order, cuda::basic_optimizer<Runtime, adamw_options>{rule, true}, {.seed = 3, .samples = s.samples, .clip = 1});
  return train_by(p, s, steps, std::is_same_v<T, fp16> ? 256 : 1);
}

struct cases {
  template <class Runtime>
  static void run(check::report& r) {
    check::each_type([&]<class T>(T) {
      const auto name = [](const std::string& what) { return std::string("gpt ") + check::name_of<T>() + ", " + what; };
      const int steps = Runtime::watches ? 2 : r.quick() ? 3 : 60;
      const outcome one = train<Runtime, T>(make_plan(gpipe{}, {.ranks = 1, .micro_batches = batches}), steps);
      if (!r.quick()) r.check(name("its loss falls"), one.losses.back() < 0.6 * one.losses.front(), "from " + std::to_string(one.losses.front()) + " to " + std::to_string(one.losses.back()));
      const auto under = [&](auto schedule, const sizes& z) {
        const outcome many = train<Runtime, T>(make_plan(schedule, z), steps);
        const std::string under_it = "four streams under " + std::string(decltype(schedule)::name);
        r.check(name(under_it + " have the bits of one rank"), many.same(one));
        if (!Runtime::watches) r.check(name(under_it + " are timed"), many.measured > 0);
        if (r.judges() && !Runtime::watches) std::printf("time %s: a step %.3f ms, foretold %.3f ms\n", name(under_it).c_str(), 1e3 * many.measured, 1e3 * many.foretold);
        return many;
      };
      const outcome drawn = under(one_f_one_b{}, {.ranks = 4, .micro_batches = batches});
      under(zb_v{}, {.ranks = 4, .micro_batches = batches});
      if (r.quick()) return;
      under(zb_h1{}, {.ranks = 4, .micro_batches = batches});
      under(interleaved_one_f_one_b{}, {.ranks = 4, .micro_batches = batches, .chunks = 2});
      if (const char* const file = std::getenv("STRETTO_PICTURE"); file != nullptr && r.judges() && std::is_same_v<T, bf16>) {
        replace_file(file, drawn.page);
        r.check(name("its last step is drawn"), drawn.foretold > 0 && drawn.measured > 0 && drawn.page.find("</html>") != std::string::npos);
      }
      if constexpr (std::is_same_v<T, float> && !Runtime::watches) {
        const transformer_shape s = sizes_of_it();
        const plan order = make_plan(gpipe{}, {.ranks = 1, .micro_batches = batches});
        pipeline p(transformer<host::device, float>(s, {.seed = 1}), even_cut(layer_costs(s), 1), order, host::optimizer<adamw_options>{rule, true}, {.seed = 3, .samples = s.samples, .clip = 1});
        const outcome here = train_by(p, s, 10, 1);
        double off = 0;
        for (std::size_t i = 0; i < here.losses.size(); ++i) off = std::max(off, std::abs(here.losses[i] / one.losses[i] - 1));
        r.check(name("its first step is the CPU's"), std::abs(here.losses[0] / one.losses[0] - 1) < 1e-5 && std::abs(here.norms[0] / one.norms[0] - 1) < 1e-4,
                std::to_string(here.losses[0]) + " and " + std::to_string(one.losses[0]) + ", norms " + std::to_string(here.norms[0]) + " and " + std::to_string(one.norms[0]));
        r.check(name("its first losses are those of the CPU"), off < 2e-3, "off by " + std::to_string(off) + " of them");
      }
    });
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "gpt"); }
