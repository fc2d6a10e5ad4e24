// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is told of one step of training, as a line for people and as a line of JSON.
//
//     step  12/400 | loss 4.1234 | norm 1.234 | rate 3.00e-04 | 123.4 ms |  12,345 tok/s | mfu 41.2 % | bubble 12.3 % | slowest rank 2 | 0.12 GiB (rank 0)
//     {"step":12,"steps":400,"loss":4.1234,"norm":1.234,…}
// A part that wasn't measured stands in neither. Each part of the line keeps its width while numbers change. JSON has every
// digit; a number that JSON has no word for is the string "NaN", "Infinity" or "-Infinity", which Python's float() and
// JavaScript's Number() read: a loss that ran away must not look like one that is missing. Cost: about 300 bytes a step.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include <stretto/train/number_words.hpp>

namespace stretto::inline v0 {

/// One step. But for the loss, a number below 0 was not measured.
struct step_report {
  std::int64_t step = 0;                  ///< from 1
  std::int64_t steps = -1;                ///< of the whole run
  int ranks = 1;
  double loss = std::numeric_limits<double>::quiet_NaN();  ///< the mean of all tokens of the step
  double norm = -1;                       ///< of all gradients together, before clipping
  double rate = -1;                       ///< the learning rate
  std::int64_t tokens = -1;               ///< of the step, all ranks together
  double seconds = -1;                    ///< that the step took
  double tokens_per_second = -1;          ///< all ranks together
  double tokens_per_second_per_rank = -1;
  double flops = -1;                      ///< floating-point operations a second that the model needs, all ranks together
  double mfu = -1;                        ///< their share of the peak, 0 to 1; model_flops.hpp has the conventions
  double share_of_roof = -1;              ///< their share of the measured rate of a large matrix product, 0 to 1
  double bubble = -1;                     ///< share of the step that ranks were idle, mean over ranks, 0 to 1, measured
  int slowest_rank = -1;                  ///< the one with the most work
  std::int64_t memory_bytes = -1;         ///< of the rank that needs most
  int memory_rank = -1;                   ///< that rank
  bool skipped = false;                   ///< the weights stayed as they were
  double loss_scale = -1;                 ///< of fp16
};

/// Calls visit(name, number, measured) for each number of a report, always in one order.
template <class Visit>
void each_number(const step_report& r, Visit&& visit) {
  const auto real = [&](const char* name, double v) { visit(name, v, !(v < 0)); };
  const auto whole = [&](const char* name, std::int64_t v) { visit(name, v, v >= 0); };
  visit("step", r.step, true);
  whole("steps", r.steps);
  visit("loss", r.loss, true);
  real("norm", r.norm);
  real("rate", r.rate);
  whole("tokens", r.tokens);
  real("seconds", r.seconds);
  real("tokens_per_second", r.tokens_per_second);
  real("tokens_per_second_per_rank", r.tokens_per_second_per_rank);
  real("flops", r.flops);
  real("mfu", r.mfu);
  real("share_of_roof", r.share_of_roof);
  real("bubble", r.bubble);
  whole("slowest_rank", r.slowest_rank);
  whole("memory_bytes", r.memory_bytes);
  whole("memory_rank", r.memory_rank);
  whole("skipped", r.skipped ? 1 : 0);
  real("loss_scale", r.loss_scale);
}

/// What rates are computed from; below 0: not known.
struct rate_basis {
  double flops_per_token = -1;  ///< see model_flops.hpp
  double peak = -1;             ///< operations a second of one rank, as its maker states them
  double roof = -1;             ///< the same, measured on a large matrix product
};

/// Fills in the rates of a report whose tokens, seconds and ranks are known.
inline void fill_rates(step_report& r, const rate_basis& b = {}) {
  if (r.tokens < 0 || !(r.seconds > 0) || r.ranks < 1) return;
  r.tokens_per_second = static_cast<double>(r.tokens) / r.seconds;
  r.tokens_per_second_per_rank = r.tokens_per_second / r.ranks;
  if (!(b.flops_per_token > 0)) return;
  r.flops = r.tokens_per_second * b.flops_per_token;
  if (b.peak > 0) r.mfu = r.flops / r.ranks / b.peak;
  if (b.roof > 0) r.share_of_roof = r.flops / r.ranks / b.roof;
}

namespace detail {

/// "41.2 %", six characters up to 999 %.
inline std::string percent_words(double share) {
  const double percent = 100 * share;
  return (std::isfinite(percent) ? at_right(fixed_words(percent, percent < 99.95 ? 1 : 0), 4) : fit(percent, 4)) + " %";
}

/// "12,345", "1.235 M": seven characters.
inline std::string rate_words(double v) {
  if (!(v >= 999'999.5)) return std::isfinite(v) ? at_right(grouped(static_cast<std::int64_t>(v + 0.5)), 7) : fit(v, 7);
  return v < 999.95e6 ? fit(v / 1e6, 5) + " M" : fit(v / 1e9, 5) + " G";
}

/// "123.4 ms", "123.45 s": eight characters.
inline std::string step_time_words(double seconds) {
  return seconds < 10 ? fit(seconds * 1000, 5) + " ms" : fit(seconds, 6) + " s";
}

/// "0.12 GiB": eight characters.
inline std::string byte_words(std::int64_t bytes) {
  const char* const units[] = {" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
  double v = static_cast<double>(bytes) / 1024;
  int unit = 0;
  while (v >= 102.4 && unit < 5) v /= 1024, ++unit;  // 0.10 of a unit at least, three digits at most
  return fit(v, 4) + units[unit];
}

}  // namespace detail

/// The line for people, without a line break.
inline std::string step_line(const step_report& r) {
  std::string out = "step ";
  if (r.steps > 0)
    out += detail::at_right(std::to_string(r.step), static_cast<int>(std::to_string(r.steps).size())) + "/" + std::to_string(r.steps);
  else
    out += detail::at_right(std::to_string(r.step), 6);
  const auto part = [&](bool there, const char* name, auto&& words) {
    if (there) out += " | ", out += name, out += words();
  };
  const auto known = [](double v) { return !(v < 0); };
  const int digits = static_cast<int>(std::to_string(r.ranks > 1 ? r.ranks - 1 : 0).size());
  part(true, "loss ", [&] { return detail::fit(r.loss, 6); });
  part(known(r.norm), "norm ", [&] { return detail::fit(r.norm, 5); });
  part(known(r.rate), "rate ", [&] { return detail::scientific_words(r.rate, 2); });
  part(known(r.seconds), "", [&] { return detail::step_time_words(r.seconds); });
  part(known(r.tokens_per_second), "", [&] { return detail::rate_words(r.tokens_per_second) + " tok/s"; });
  part(known(r.mfu), "mfu ", [&] { return detail::percent_words(r.mfu); });
  part(known(r.share_of_roof), "roof ", [&] { return detail::percent_words(r.share_of_roof); });
  part(known(r.bubble), "bubble ", [&] { return detail::percent_words(r.bubble); });
  part(r.slowest_rank >= 0, "slowest", [&] { return " rank " + detail::at_right(std::to_string(r.slowest_rank), digits); });
  part(r.memory_bytes >= 0, "", [&] { return detail::byte_words(r.memory_bytes) + (r.memory_rank < 0 ? "" : " (rank " + detail::at_right(std::to_string(r.memory_rank), digits) + ")"); });
  part(known(r.loss_scale), "scale ", [&] { return detail::fit(r.loss_scale, 8); });
  part(r.skipped, "skipped", [] { return ""; });
  return out;
}

/// One object in one line, without a line break.
inline std::string json_line(const step_report& r) {
  std::string out = "{";
  each_number(r, [&](const char* name, auto value, bool measured) {
    if (!measured) return;
    if (out.size() > 1) out += ',';
    out += R"(")", out += name, out += R"(":)";
    if constexpr (std::is_floating_point_v<decltype(value)>) {
      if (std::isfinite(value)) detail::put_exact(out, value);
      else out += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    } else {
      out += std::to_string(value);
    }
  });
  return out + "}";
}

}  // namespace stretto::inline v0
