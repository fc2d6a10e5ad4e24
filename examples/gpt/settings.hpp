// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the program gpt is told on its command line, or in a file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <stretto/schedule.hpp>
#include <stretto/model/transformer.hpp>
#include <stretto/train/arguments.hpp>
#include <stretto/train/rate.hpp>

namespace gpt {

struct settings {
  // The model.
  std::string family = "gpt2", dtype = "fp32", device = "host", products;
  bool tf32 = false;
  int layers = 4, heads = 4, kv_heads = 0, vocabulary = 512;
  std::int64_t width = 128, sequence = 128;
  double dropout = 0;
  // How it is split.
  std::string schedule = "1f1b";
  int ranks = 4, micro_batches = 8, chunks = 1, samples = 4, threads = 1;
  bool recompute = false;
  // Training.
  std::int64_t steps = 200, warmup = 20, seed = 1, evaluate = 50;
  double rate = 3e-3, decay = 0.1, clip = 1, final_fraction = 0.1;
  std::string schedule_of_rates = "cosine";
  // Files.
  std::string data, validation, pairs, out = "out/gpt";
  std::int64_t save = 0, report = 1;
  bool resume = false, anew = false, trace = false, html = false, dry_run = false, logs = true;
  // Writing.
  std::string prompt = "A pipeline";
  int letters = 160;
  int texts = 1;
  double temperature = 0.8;
  bool read_again = false;
  std::string words;  ///< all of it, for gpt.conf

  void declare(stretto::arguments& a) {
    std::vector<std::string> schedules;
    stretto::all_schedules::each([&]<class S>(S s) {
      if (!std::is_same_v<S, stretto::forward_only>) schedules.emplace_back(s.name);
    });
    schedules.emplace_back("auto");
    a.add("family", family, "gpt2: LayerNorm, GELU, learned positions; llama: RMSNorm, SwiGLU, rotary", {.choices = {"gpt2", "llama"}});
    a.add("dtype", dtype, "of activations and of the weights in products; those of 16 bits have masters of fp32, and fp16 a scale of the loss", {.choices = {"fp32", "bf16", "fp16"}});
    a.add("device", device, "host: ranks are threads of the CPU; cuda: streams of CUDA devices; checked: streams of a device that isn't there, which computes nothing and finds what they don't wait for; its files go to a folder of their own, checked, in --out", {.choices = {"host", "cuda", "checked"}});
    a.add("products", products, "on cuda, the file with the table of algorithms that choose_products wrote; empty: the library's own choice");
    a.add("tf32", tf32, "on cuda, products of fp32 on tensor cores, with 11 bits of each number");
    a.add("layers", layers, "blocks", {.least = 1, .most = 1000});
    a.add("width", width, "of the model", {.least = 1, .most = 1 << 16});
    a.add("heads", heads, "of attention", {.least = 1, .most = 1 << 12});
    a.add("kv-heads", kv_heads, "heads of keys and values; 0: as many", {.least = 0, .most = 1 << 12});
    a.add("vocabulary", vocabulary, "tokens: bytes, and pairs learned from the text", {.least = 257, .most = 65536});
    a.add("sequence", sequence, "tokens of a sample", {.unit = "tokens", .least = 1, .most = 1 << 20});
    a.add("dropout", dropout, "share that is dropped", {.least = 0, .most = 0.99});
    a.add("schedule", schedule, "order of the passes; auto: 1f1b, or interleaved_1f1b with several chunks, for the first steps, then the fastest by what they measured that holds as much and has the same bits", {.choices = schedules});
    a.add("ranks", ranks, "of the pipeline, a thread or a stream each; gpt_mpi: as many as processes", {.least = 1, .most = 256});
    a.add("micro-batches", micro_batches, "of a step", {.least = 1, .most = 4096});
    a.add("chunks", chunks, "stages of each rank; 0: as many as the schedule wants", {.least = 0, .most = 64});
    a.add("samples", samples, "of a micro-batch", {.least = 1, .most = 4096});
    a.add("threads", threads, "of each rank, on host", {.least = 1, .most = 256});
    a.add("recompute", recompute, "blocks keep nothing but their inputs");
    a.add("steps", steps, "updates of the weights", {.unit = "steps", .least = 0, .most = 1000000000});
    a.add("rate", rate, "largest learning rate", {.least = 0, .most = 100});
    a.add("rates", schedule_of_rates, "how the rate goes", {.choices = {"constant", "linear", "cosine", "wsd", "inverse_sqrt"}});
    a.add("warmup", warmup, "steps in which the rate rises", {.unit = "steps", .least = 0, .most = 1000000000});
    a.add("final-fraction", final_fraction, "of the rate, at the end", {.least = 0, .most = 1});
    a.add("decay", decay, "of matrices, by AdamW", {.least = 0, .most = 10});
    a.add("clip", clip, "largest norm of all gradients; 0: none", {.least = 0, .most = 1e9});
    a.add("seed", seed, "of weights, order and dropout", {.least = 0, .most = 4294967295});
    a.add("data", data, "a file of tokens; empty: text of this project, made into tokens");
    a.add("validation", validation, "a file of tokens for validation; empty: the end of the data");
    a.add("pairs", pairs, "the tokenizer of the data; empty: my.pairs beside my_train.bin, or bytes");
    a.add("evaluate", evaluate, "validation every so many steps; 0: never", {.unit = "steps", .least = 0, .most = 1000000000});
    a.add("out", out, "folder for all that is written");
    a.add("report", report, "a line every so many steps", {.unit = "steps", .least = 1, .most = 1000000000});
    a.add("save", save, "a checkpoint every so many steps, and at the end; 0: at the end", {.unit = "steps", .least = 0, .most = 1000000000});
    a.add("resume", resume, "goes on from the last checkpoint in the folder, with the options of gpt.conf there");
    a.add("anew", anew, "begins anew where the folder has a run, whose checkpoints go");
    a.add("trace", trace, "writes the last step as trace.json, for Perfetto");
    a.add("html", html, "writes report.html and timeline.html");
    a.add("logs", logs, "where a run fails, each rank leaves run.rank<r>.log, for stretto-explain");
    a.add("dry-run", dry_run, "plan, memory and predicted time of a step; trains nothing");
    a.add("prompt", prompt, "what the model writes on from, at the end");
    a.add("letters", letters, "how many tokens it writes; 0: none", {.unit = "tokens", .least = 0, .most = 100000});
    a.add("texts", texts, "how many it writes at once, at most those of a step", {.least = 1, .most = 1 << 16});
    a.add("read-again", read_again, "writes once more, and reads the whole window for each token, to compare");
    a.add("temperature", temperature, "of sampling; 0: always the likeliest", {.least = 0, .most = 100});
  }

  stretto::transformer_shape shape() const {
    stretto::transformer_shape s = family == "llama" ? stretto::llama_shape(layers, width, heads, kv_heads, (width * 8 / 3 + 31) / 32 * 32, vocabulary, sequence, 10000)
                                                     : stretto::gpt2_shape(layers, width, heads, vocabulary, sequence);
    s.kv_heads = kv_heads, s.samples = samples, s.sequence = sequence, s.dropout = dropout;
    return s;
  }
  stretto::rate_schedule rates() const {
    return {.kind = stretto::rate_kind_of(schedule_of_rates), .rate = rate, .warmup = warmup, .steps = steps > warmup ? steps : warmup + 1, .final_fraction = final_fraction};
  }
  /// The plan that was asked for.
  stretto::plan order() const { return order_of(!measures() ? schedule : chunks > 1 ? "interleaved_1f1b" : "1f1b"); }
  /// Whether the order is chosen when some steps were measured.
  bool measures() const { return schedule == "auto"; }
  /// The plan of a schedule of that name.
  stretto::plan order_of(std::string_view name) const {
    stretto::plan made;
    stretto::all_schedules::each([&]<class S>(S s) {
      if (name != s.name) return;
      int v = chunks;
      if (v == 0 || (v == 1 && !fits(s, 1))) v = fits(s, 1) ? 1 : 2;
      made = stretto::make_plan(s, {.ranks = ranks, .micro_batches = micro_batches, .chunks = v});
    });
    return made;
  }

 private:
  template <class S>
  bool fits(const S& s, int v) const {
    try {
      (void)stretto::make_plan(s, {.ranks = ranks, .micro_batches = micro_batches, .chunks = v});
      return true;
    } catch (const stretto::error&) {
      return false;
    }
  }
};

/// What the run in a folder was told, and is told otherwise now: in words, where it can go on. Throws stretto::error where not.
inline std::string changes_of(const std::string& before, const std::string& now) {
  constexpr std::string_view same[] = {"family", "layers", "width", "heads", "kv-heads", "vocabulary", "sequence"}, free[] = {"out", "resume", "anew"};
  std::istringstream was(before), is(now);
  std::string t, a, b;
  std::map<std::string, std::string> known;
  const auto split = [](const std::string& line) { return std::pair(line.substr(0, line.find(" = ")), line.find(" = ") == line.npos ? "" : line.substr(line.find(" = ") + 3)); };
  while (std::getline(was, a)) known.insert(split(a));
  while (std::getline(is, b)) {
    const auto [name, value] = split(b);
    const auto old = known.find(name);
    if (old == known.end() || old->second == value || std::find(std::begin(free), std::end(free), name) != std::end(free)) continue;
    if (std::find(std::begin(same), std::end(same), name) != std::end(same))
      throw stretto::error(stretto::text("stretto: gpt is to go on with --", name, " ", value, ", and the model was made with ", old->second, "; give it as before, or --anew").str());
    t += "changed     " + name + " = " + value + ", was " + old->second + "\n";
  }
  return t;
}

}  // namespace gpt
