// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the program gpt does, for one type of activations: makes the data, binds the model, trains, reports, writes.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <stretto/draw/html.hpp>
#include <stretto/draw/svg.hpp>
#include <stretto/draw/trace.hpp>
#include <stretto/model/transformer.hpp>
#include <stretto/run.hpp>
#include <stretto/run/measured.hpp>
#include <stretto/run/order_choice.hpp>
#include <stretto/train/checkpoint.hpp>
#include <stretto/train/loss_page.hpp>
#include <stretto/train/loss_scale.hpp>
#include <stretto/train/make_tokens.hpp>
#include <stretto/train/model_flops.hpp>
#include <stretto/train/progress.hpp>
#include <stretto/train/sinks.hpp>
#include <stretto/train/token_feed.hpp>

#include "ranks.hpp"
#include "settings.hpp"
#include "tables.hpp"
#include "writing.hpp"

namespace gpt {

using namespace stretto;

inline double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// The rate of a large product of n by n matrices on one of a device's workers, in operations a second.
template <class Device, class T>
double product_rate(const typename Device::options& o, std::int64_t n) {
  typename Device::queue q(o);
  tensor<T, 2> numbers({n, n});
  for (std::int64_t i = 0; i < numbers.size(); ++i) numbers.data()[i] = static_cast<T>(static_cast<float>(i % 13) / 13);
  typename Device::template tensor<T, 2> a({n, n}), b({n, n}), c({n, n});
  for (auto* m : {&a, &b}) Device::memory::copy(m->data(), numbers.data(), numbers.size() * static_cast<std::int64_t>(sizeof(T)));
  typename Device::template packed<T> p(q, n, n);
  pack(q, b, p);
  double best = 1;
  for (int k = 0; k < 20; ++k) {
    q.synchronize();
    const double begin = now();
    matrix_product(q, a, p, c);
    q.synchronize();
    best = (std::min)(best, now() - begin);
  }
  const auto side = static_cast<double>(n);
  return 2 * side * side * side / best;
}

template <class T, class Ranks>
int train(settings how, Ranks& ranks) {
  const transformer_shape shape = how.shape();
  shape.validate();
  if (how.texts > how.samples * how.micro_batches)
    throw error(text("stretto: gpt is to write ", how.texts, " texts at once, and a step has ", how.samples * how.micro_batches, " samples; ask for as many at most").str());
  const rate_schedule rates = how.rates();
  plan order = how.order();
  using device = typename Ranks::device;
  const typename device::options queue = ranks.queue(how);

  // Data: files of tokens, or the project's own text.
  if (how.out.empty()) how.out = ".";
  const auto folder = [&](const char* file) { return how.out + "/" + file; };
  if (!how.dry_run && ranks.speaks()) stretto::detail::make_folders(folder(""));
  if (how.data.empty() && !how.dry_run) {
    make_tokens_options o{.sources = {STRETTO_TEXT "/docs", STRETTO_TEXT "/include", STRETTO_TEXT "/README.md"}, .output = folder("text"), .vocabulary = how.vocabulary, .validation = 0.05};
    how.data = folder("text_train.bin"), how.validation = folder("text_val.bin");
    if (how.pairs.empty() && how.vocabulary > 257) how.pairs = folder("text.pairs");
    if (!how.resume || !path_exists(how.data)) {  // a run goes on with the text that it began with
      const made_tokens made = ranks.speaks() ? make_tokens(o) : made_tokens{};
      std::printf("text        %s tokens of %d kinds from %s files of this project\n", grouped(made.training).c_str(), made.vocabulary, grouped(made.files).c_str());
    }
  }
  ranks.meet();  // so that what was made is there
  if (const std::size_t end = how.data.rfind("_train.bin"); how.pairs.empty() && end != std::string::npos && end + 10 == how.data.size())
    if (const std::string beside = how.data.substr(0, end) + ".pairs"; path_exists(beside)) how.pairs = beside;
  if (how.letters > 0 && how.pairs.empty() && how.vocabulary > 257 && !how.data.empty() && !how.dry_run)
    throw error(text("stretto: gpt is to write with ", how.vocabulary, " kinds of tokens of '", how.data, "', and knows none of their letters; give --pairs, or --letters 0").str());
  const pair_tokenizer tokens_of = how.letters == 0 || how.dry_run || how.pairs.empty() ? pair_tokenizer() : pair_tokenizer::load(how.pairs);
  if (tokens_of.vocabulary() > how.vocabulary)
    throw error(text("stretto: '", how.pairs, "' has ", tokens_of.vocabulary(), " kinds of tokens, and the model ", how.vocabulary, "; give the tokenizer of the data, or a --vocabulary that holds them").str());
  const loader_options reading{.sequence = how.sequence, .seed = static_cast<std::uint32_t>(how.seed), .validation = how.validation.empty() ? 0.05 : 0.0, .vocabulary = how.vocabulary};
  token_loader data({how.data}, reading);
  loader_options held = reading;
  if (how.validation.empty()) held.part = loader_part::validation;
  held.shuffle = false;
  token_loader unseen({how.validation.empty() ? how.data : how.validation}, held);

  // The checkpoint to go on from.
  checkpoints saves(folder("checkpoints"));
  std::unique_ptr<checkpoint> begun;
  if (how.resume && !how.dry_run) begun = std::make_unique<checkpoint>(saves.open_latest());
  const std::int64_t first = begun ? begun->step() : 0;
  if (const auto there = how.dry_run || begun || how.anew ? std::vector<std::int64_t>() : saves.steps(); !there.empty())
    throw error(text("stretto: gpt is to begin in '", how.out, "', which has a run of ", there.front(), " steps; give --resume to go on with it, --anew to begin anew, or another --out").str());
  if (begun) {
    for (const std::string& s : begun->skipped()) std::fprintf(stderr, "%s\n", s.c_str());
    if (path_exists(folder("gpt.conf"))) std::fputs(changes_of(read_file(folder("gpt.conf"), 1 << 20), how.words).c_str(), stdout);
  }
  if (begun) std::printf("goes on     from step %lld, with %lld to come\n", static_cast<long long>(first), static_cast<long long>((std::max)(how.steps - first, std::int64_t{0})));
  ranks.meet();  // all have read what stands there
  std::int64_t skipped = 0;
  constexpr bool scaled = std::is_same_v<T, fp16>;
  loss_scale scale;
  if (begun) {
    skipped = begun->state().at("skipped").integer();
    if (scaled && begun->state().find("loss_scale") != nullptr) scale.scale = begun->state().at("loss_scale").number(), scale.good = begun->state().at("good_steps").integer();
  }

  // The model over the ranks.
  writer text_writer(how.sequence, how.samples, how.temperature, static_cast<std::uint32_t>(how.seed));
  const auto model = transformer<device, T>(
      shape, {.seed = static_cast<std::uint32_t>(how.seed), .queue = queue, .watcher = {&writer::look<T>, &text_writer}, .recompute = how.recompute});
  const std::vector<double> by_layer = layer_costs(shape);
  const cut stages = even_cut(by_layer, order.stages);
  const auto adam = ranks.optimizer(adamw_options{.rate = how.rate, .beta2 = 0.95, .decay = how.decay});
  const dry_report memory = dry_run(model, stages, order, {.states = adam.states});
  const double roof = product_rate<device, T>(queue, Ranks::product);
  if (!Ranks::computes) std::printf("nothing is computed: rates, losses and texts below mean nothing\n");
  const costs guess = foretold_costs(by_layer, stages, 0.8 * roof);
  const std::int64_t tokens = how.micro_batches * shape.rows();
  std::printf("model       %s, %s parameters, %d layers in %d stages\n", how.family.c_str(), grouped(parameter_count(shape)).c_str(), model.size(), order.stages);
  std::printf("plan        %s, %d ranks, %d micro-batches of %lld samples: %s tokens a step\n", how.measures() ? "auto" : how.schedule.c_str(), order.ranks, order.micro_batches, static_cast<long long>(how.samples), grouped(tokens).c_str());
  std::printf("\nmemory, foretold\n%s\n", memory_table(memory).c_str());
  const double foretold_step = simulate(order, guess).makespan;
  std::printf("a step      %.1f ms foretold, with %s a rank and products at 0.8 of their rate of %.0f GFLOP/s\n\n", 1e3 * foretold_step, Ranks::worker, roof * 1e-9);
  if (how.dry_run) return 0;

  auto p = ranks.bind(model, stages, order, adam, {.seed = static_cast<std::uint32_t>(how.seed), .samples = how.samples, .first_step = first, .clip = how.clip, .skips = true, .skipped = skipped, .dump = how.logs ? folder("run") : std::string()});
  int evaluation = 0;
  std::string memory_seen;
  const auto contents = [&] {  // weights, and what the optimizer keeps beside them
    return checkpoint_contents{.weights = entries_of(p.parameters()), .optimizer = state_entries_of(p.parameters())};
  };
  if (begun) {
    ranks.load(*begun, contents());
    p.weights_changed();
    data.restore(loader_state::from_text(begun->state().at("loader").string()));
  }
  if (ranks.speaks()) replace_file(folder("gpt.conf"), how.words);
  const feed_shape taken{.samples = how.samples, .step_samples = how.samples * how.micro_batches, .first_step = first};
  const auto of_order = [&](auto training, auto evaluating, bool tokens_of_texts) {
    return [=, &text_writer](const data_share& s) mutable -> view<const std::int32_t> {
      if (text_writer.asks(s)) return tokens_of_texts ? text_writer.read(s) : view<const std::int32_t>{};
      if (s.order != 0) {
        data_share same = s;
        same.step = 0;
        return evaluating(same);
      }
      return training(s);
    };
  };
  const feed_shape same_share{.samples = how.samples, .step_samples = how.samples * how.micro_batches};
  p.template feed<std::int32_t>("tokens", of_order(inputs_of(data, taken), inputs_of(unseen, same_share), true));
  p.template feed<std::int32_t>("labels", of_order(labels_of(data, taken), labels_of(unseen, same_share), false));

  // Training.
  reports out;
  out.add("console", console_sink(stdout, how.report));
  if (ranks.speaks()) {
    out.add("steps.jsonl", jsonl_sink(folder("steps.jsonl"), first));
    out.add("steps.csv", csv_sink(folder("steps.csv"), first));
    out.add("tensorboard", tensorboard_sink(folder("board"), first));
  }
  std::vector<loss_point> losses, validations;
  decoder_shape counted{.parameters = parameter_count(shape), .layers = how.layers, .width = how.width, .heads = how.heads, .groups = shape.groups(), .hidden = shape.inner(), .gated = shape.gated,
                        .vocabulary = how.vocabulary, .sequence = how.sequence};
  const double operations = flops_per_token(counted, flops_convention::exact);
  const auto save = [&](std::int64_t step) {
    p.finish();
    checkpoint_contents all = contents();
    all.state.set("skipped", skipped);
    if (scaled) all.state.set("loss_scale", scale.scale).set("good_steps", scale.good);
    all.state.set("loader", data.state((step - first) * taken.step_samples).to_text());
    ranks.save(saves, step, all);
  };
  // Whole backward passes are measured by the order that it begins with, and their halves by another; then the best goes on.
  constexpr std::int64_t warm = 1, of_each = 3;
  std::vector<recording> measured_steps;
  calibration figures;
  const auto choose = [&](std::int64_t done) {
    if (!how.measures() || done > warm + 2 * of_each) return;
    const plan split = order_of_halves(order);
    if (done == warm + of_each) {
      figures = p.calibrate(measured_steps), measured_steps.clear();
      p.rebind(split);
    }
    if (done != warm + 2 * of_each) return;
    figures.add(p.calibrate(measured_steps)), measured_steps.clear();
    const order_choice best = best_order(order, orders_like(order, all_schedules()), figures, {.refuses = [&](const plan_view& o) { return p.refuses(o); }});
    std::printf("%s", chosen_words(best, figures).c_str());
    order = copied(best.order);
    p.rebind(order);
  };
  double spent = 0;
  for (std::int64_t step = first; step < how.steps; ++step) {
    p.optimizer().rate = rates(step);
    if (scaled) p.rule().loss_scale = scale.scale;
    const double begin = now();
    auto h = p.step(static_cast<double>(tokens));
    step_report r;
    r.step = step + 1, r.steps = how.steps, r.ranks = how.ranks, r.loss = h.loss(), r.norm = how.clip > 0 ? h.norm() : -1, r.rate = rates(step);
    r.seconds = now() - begin, r.tokens = tokens, r.tokens_per_second = static_cast<double>(tokens) / r.seconds;
    r.flops = operations * r.tokens_per_second, r.share_of_roof = share_of_peak(r.flops, roof * ranks.workers(how));
    const recording seen = h.measured();
    if (how.measures() && step - first >= warm) measured_steps.push_back(seen);
    const plan_view program = p.steps();
    std::vector<double> works(static_cast<std::size_t>(how.ranks)), memories(works);
    for (int k = 0, entry = 0; k < program.ranks; ++k) {
      for (int i = 0; i < program.order(k).count; ++i, ++entry) works[static_cast<std::size_t>(k)] += seen.ends[static_cast<std::size_t>(entry)] - seen.starts[static_cast<std::size_t>(entry)];
      if (ranks.local(k)) memories[static_cast<std::size_t>(k)] = static_cast<double>(p.memory(k).most());
    }
    ranks.gather(works), ranks.gather(memories);
    double busiest = 0, idle = 0;
    for (int k = 0; k < how.ranks; ++k) {
      const double work = works[static_cast<std::size_t>(k)];
      if (work > busiest) busiest = work, r.slowest_rank = k;
      idle += 1 - work / r.seconds;
    }
    r.bubble = (std::max)(0.0, idle / how.ranks);
    spent += step > first ? r.seconds : 0;
    r.skipped = h.skipped();
    skipped += r.skipped ? 1 : 0;
    if (scaled) {
      r.loss_scale = scale.scale;
      scale = next_scale(scale, !r.skipped);
      if (scale.hopeless()) throw error(text("stretto: gpt has skipped ", scale.bad, " steps in a row, and the scale of its loss is as small as it may be; lower the rate, or take bf16").str());
    }
    for (int k = 0; k < order.ranks; ++k)
      if (const auto most = static_cast<std::int64_t>(memories[static_cast<std::size_t>(k)]); most > r.memory_bytes) r.memory_bytes = most, r.memory_rank = k;
    out(r);
    if (step == first) std::printf("\nmemory, measured\n%s\n", (memory_seen = measured_table(memory, memories)).c_str());
    losses.push_back({static_cast<double>(step + 1), r.loss});
    if (how.evaluate > 0 && ((step + 1) % how.evaluate == 0 || step + 1 == how.steps)) {
      if (evaluation == 0) evaluation = p.bind(forward_of(order));
      validations.push_back({static_cast<double>(step + 1), p.run(evaluation, static_cast<double>(tokens)).loss()});
      std::printf("validation  %.4f\n", validations.back().loss);
    }
    if (how.save > 0 && (step + 1) % how.save == 0 && step + 1 < how.steps) save(step + 1);
    if (step + 1 < how.steps) {
      choose(step + 1 - first);
      continue;
    }
    save(how.steps);
    if (how.trace || how.html) {
      const recording of_all = p.of_all_ranks({seen}).front();
      if (!ranks.speaks()) continue;
      const timeline foretold = make_timeline(p.steps(), mean_costs(p.steps(), of_all), holding(), {.unit = "s"}), measured = make_timeline(p.steps(), of_all);
      if (how.trace) replace_file(folder("trace.json"), std::string(to_trace(foretold, &measured)));
      if (how.html) {
        replace_file(folder("timeline.html"), std::string(to_html(foretold, &measured)));
        const double average = spent / (std::max)(1.0, static_cast<double>(how.steps - first - 1));
        double all = 0, done = 0;
        for (double c : by_layer) all += c;
        for (std::size_t i = 0; i < of_all.ends.size(); ++i) done += of_all.ends[i] - of_all.starts[i];
        const auto plain = [](const std::string& s) {
          std::string escaped;
          stretto::detail::put_xml(escaped, s);
          return "<pre>" + escaped + "</pre>";
        };
        std::vector<page_section> parts{{"Loss", loss_svg(losses, validations)}};
        char words[240];
        std::snprintf(words, sizeof words, "<p>The last step: foretold from the mean cost of each pass (%.1f ms), then as it was measured (%.1f ms). A step took %.1f ms on average.</p>",
                      1e3 * simulate(p.steps(), mean_costs(p.steps(), of_all)).makespan, 1e3 * r.seconds, 1e3 * average);
        parts.push_back({"Timeline", words + svg_image(to_svg(foretold, {.width = 1200}), "the simulated step") + svg_image(to_svg(measured, {.width = 1200}), "the measured step")});
        parts.push_back({"Memory by rank, foretold", plain(memory_table(memory))});
        parts.push_back({"Memory by rank, measured", plain(memory_seen)});
        parts.push_back({"The same work under other schedules, simulated", "<p>Each pass at what its layers cost of the time that the ranks worked in the last step, shared out by operations.</p>" + plain(schedule_table(how, by_layer, done / (all * how.micro_batches)))});
        replace_file(folder("report.html"), html_sections("gpt: " + how.schedule + ", " + std::to_string(how.ranks) + " ranks", parts));
      }
    }
  }

  // Writing.
  if (how.letters > 0) {
    const std::vector<std::int32_t> prompt = tokens_of.encode(how.prompt.empty() ? "\n" : how.prompt);
    const int together = (how.texts + how.samples - 1) / how.samples;  // micro-batches
    const plan turns = forward_of(order, together);
    const route_view hops = plan_view(turns).route(0);
    const int draws = hops.rank_of(hops.last());  // the rank that is shown logits
    double seconds = text_writer.write(p, p.bind(turns, {.keeps_carry = true}), true, together, prompt, how.letters, ranks, draws);
    std::vector<std::vector<std::int32_t>> written;
    for (int n = 0; n < how.texts; ++n) written.push_back(text_writer.text(n));
    for (const auto& t : written) std::printf("\n%s\n", tokens_of.decode({t.data(), static_cast<std::int64_t>(t.size())}).c_str());
    const auto say = [&](const char* way) {
      const double wrote = static_cast<double>(how.letters) * together * how.samples;
      std::printf("writing     %.0f tokens a second, %d texts at once, %s\n", wrote / seconds, together * how.samples, way);
      return wrote / seconds;
    };
    std::printf("\n");
    const double kept = say("with keys and values kept");
    if (how.read_again) {
      seconds = text_writer.write(p, p.bind(turns), false, together, prompt, how.letters, ranks, draws);
      bool same = true;
      for (int n = 0; n < how.texts; ++n) same = same && written[static_cast<std::size_t>(n)] == text_writer.text(n);
      const double read = say("with the window read again for each token");
      std::printf("            %.1f times as many; the same texts: %s\n", kept / read, same ? "yes" : "no");
    }
  }
  if (how.html) std::printf("\nthe report is %s, the timeline %s\n", folder("report.html").c_str(), folder("timeline.html").c_str());
  return 0;
}

}  // namespace gpt
