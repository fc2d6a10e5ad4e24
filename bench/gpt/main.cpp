// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// bench_gpt: how fast a small GPT trains, beside the products that it is made of, what simulate foretells, and PyTorch.
//
//     bench_gpt                            on one rank, and on two and four where there are cores
//     bench_gpt --torch python3            with eager PyTorch beside it, of that Python
//     bench_gpt --quick                    small sizes, an instant: shows that it works, measures nothing
//     bench_gpt --help
// All that is compared takes turns, a step each, round after round. Losses of all numbers of ranks must be equal to the bit.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>

#include <sched.h>

#include <stretto/schedule/interleaved_one_f_one_b.hpp>
#include <stretto/schedule/interleaved_zb.hpp>
#include <stretto/schedule/one_f_one_b.hpp>
#include <stretto/schedule/zb_h1.hpp>
#include <stretto/train/arguments.hpp>

#include "contender.hpp"
#include "report.hpp"

namespace bench {

namespace {

struct settings {
  int layers = 6, heads = 6, micro_batches = 16, ranks = 4, rounds = 7;
  std::int64_t width = 384, vocabulary = 4096, sequence = 256, samples = 4;
  std::string schedule = "1f1b", torch, script = STRETTO_CONTENDER;
  bool pin = false, quick = false;

  void declare(arguments& a) {
    a.add("layers", layers, "blocks", {.least = 1, .most = 1000});
    a.add("width", width, "of the model", {.least = 1, .most = 1 << 16});
    a.add("heads", heads, "of attention", {.least = 1, .most = 1 << 12});
    a.add("vocabulary", vocabulary, "tokens that there are", {.least = 2, .most = 1 << 20});
    a.add("sequence", sequence, "tokens of a sample", {.least = 1, .most = 1 << 20});
    a.add("samples", samples, "of a micro-batch", {.least = 1, .most = 4096});
    a.add("micro-batches", micro_batches, "of a step", {.least = 1, .most = 4096});
    a.add("ranks", ranks, "at most; 1, 2 and 4 are measured, as far as there are cores", {.least = 1, .most = 4});
    a.add("schedule", schedule, "order of the passes", {.choices = {"1f1b", "zb_h1"}});
    a.add("rounds", rounds, "in which each makes a step", {.least = 2, .most = 1000});
    a.add("pin", pin, "ranks keep to a core");
    a.add("torch", torch, "a Python that has PyTorch; empty: without it");
    a.add("script", script, "what that Python runs");
    a.add("quick", quick, "small sizes and two rounds");
  }
  void make_quick() {
    layers = 2, width = 48, heads = 3, vocabulary = 160, sequence = 24, samples = 2, micro_batches = 4, rounds = 2, ranks = 2;
  }
  transformer_shape shape() const {
    transformer_shape s = gpt2_shape(layers, width, heads, vocabulary, sequence);
    s.samples = samples;
    s.validate();
    return s;
  }
  plan order(int on, int chunks) const {
    const sizes z{.ranks = on, .micro_batches = chunks > 1 ? (micro_batches + 3) / 4 : micro_batches, .chunks = chunks};
    if (schedule == "zb_h1") return chunks > 1 ? make_plan(interleaved_zb{}, z) : make_plan(zb_h1{}, z);
    return chunks > 1 ? make_plan(interleaved_one_f_one_b{}, z) : make_plan(one_f_one_b{}, z);
  }
  std::vector<std::string> words() const {
    return {"--layers", std::to_string(layers), "--width", std::to_string(width), "--heads", std::to_string(heads), "--vocabulary", std::to_string(vocabulary),
            "--sequence", std::to_string(sequence), "--samples", std::to_string(samples), "--micro-batches", std::to_string(micro_batches)};
  }
};

int cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

void say_load(const char* when) {
  double load[3] = {};
  if (getloadavg(load, 3) == 3) std::printf("load        %s: %.2f, %.2f, %.2f over 1, 5 and 15 minutes; %d cores may be used\n", when, load[0], load[1], load[2], cores());
}

int run(const settings& how) {
  const transformer_shape shape = how.shape();
  const std::int64_t parameters = parameter_count(shape);
  std::printf("model       GPT-2's family, %d layers, width %lld, %d heads, sequence %lld, vocabulary %lld: %lld parameters, fp32\n", how.layers, static_cast<long long>(how.width), how.heads,
              static_cast<long long>(how.sequence), static_cast<long long>(how.vocabulary), static_cast<long long>(parameters));
  std::printf("step        %d micro-batches of %lld samples, AdamW; %s, one thread a rank, %s\n", how.micro_batches, static_cast<long long>(how.samples), how.schedule.c_str(),
              isa_name(host::this_cpu().best).data());
#if !defined(__OPTIMIZE__)
  std::printf("            built without optimization: the figures say nothing\n");
#endif
  say_load("at the beginning");
  std::unique_ptr<contender> other;
  if (how.torch.empty()) {
    std::printf("contender   none: --torch was not given\n");
  } else {
    other = std::make_unique<contender>(how.torch, how.script, how.words());
    std::printf("contender   %s\n", other->says().c_str());
    if (std::strtoll(other->says().c_str(), nullptr, 10) != parameters) throw error(text("stretto: the contender's model has other parameters than the ", parameters, " of this one; correct the script").str());
  }

  // One rank; the same with a stage a layer, which says what each layer costs; then more ranks, cut by that.
  measured all;
  const std::vector<double> counted = layer_costs(shape);
  const int stages = static_cast<int>(counted.size());
  const auto add = [&](const std::string& name, const cut& c, const plan& order) {
    all.trained.push_back(std::make_unique<trained>(name, shape, c, order, how.pin));
    all.steps.emplace_back();
    all.trained.back()->step();  // memory comes, clocks are found
  };
  add("P = 1", even_cut(counted, 1), how.order(1, 1));
  add("by layers", cut::of(std::vector<int>(static_cast<std::size_t>(stages), 1)), how.order(1, stages));
  const std::vector<double> by_layer = layer_seconds(*all.trained[1], all.trained[1]->step().passes);
  for (const int ranks : {2, 4})
    if (ranks <= how.ranks && ranks <= stages && (ranks <= cores() || how.quick)) add("P = " + std::to_string(ranks), even_cut(by_layer, ranks), how.order(ranks, 1));
  all.probe = std::make_unique<product_probe>(products_of(shape));
  if (other) other->step();

  all.trained[0]->begin_notes();
  print_heads(all, other != nullptr);
  const int turns = static_cast<int>(all.trained.size()) + 2;
  for (int round = 0; round < how.rounds; ++round) {
    for (int i = 0; i < turns; ++i) {
      const int turn = (i + round) % turns;
      if (turn == turns - 1 && other) all.others.push_back(other->step());
      else if (turn == turns - 2) all.products.push_back((*all.probe)());
      else if (turn < turns - 2) all.steps[static_cast<std::size_t>(turn)].push_back(all.trained[static_cast<std::size_t>(turn)]->step());
    }
    print_round(all, round);
    for (std::size_t i = 2; i < all.steps.size(); ++i)
      if (all.steps[i].back().loss != all.steps[0].back().loss) throw error(text("stretto: ", all.trained[i]->name(), " has another loss than one rank; the run is of no use").str());
  }
  say_load("at the end");
  print_report(all, shape);
  return 0;
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  try {
    bench::settings how;
    stretto::arguments a("bench_gpt", "Measures how fast a small GPT trains.");
    how.declare(a);
    if (!a.read(argc, argv)) return std::fputs(a.help().c_str(), stdout), 0;
    if (how.quick) how.make_quick();
    return bench::run(how);
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
