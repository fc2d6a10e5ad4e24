// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the learning rate goes with the steps: a value that is asked for a step's rate.
//
//     const rate_schedule r{.kind = rate_kind::cosine, .rate = 3e-4, .warmup = 100, .steps = 1000, .final_fraction = 0.1};
//     p.optimizer().rate = r(step);                      steps count from 0
//
//     warm-up        rate (step + 1) / warmup            for the first `warmup` steps, whatever comes then
//     constant       rate
//     linear         from rate to rate final_fraction, in a line from step `warmup` to step `steps`
//     cosine         likewise, along half a wave
//     wsd            rate; over the last `decay_share` of the steps, whose share p is over: 1 - (1 - final_fraction) sqrt(p)
//     inverse_sqrt   rate sqrt(warmup / (step + 1)), never below rate final_fraction
// From step `steps` on the rate stays what it is there. Source: Loshchilov and Hutter, SGDR, ICLR 2017 (cosine);
// Hägele et al., Scaling laws and compute-optimal training beyond fixed training durations, NeurIPS 2024 (wsd);
// Vaswani et al., Attention is all you need, 2017 (inverse square root).
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

enum class rate_kind : std::uint8_t { constant, linear, cosine, wsd, inverse_sqrt };

constexpr std::string_view name_of(rate_kind k) {
  constexpr std::string_view names[] = {"constant", "linear", "cosine", "wsd", "inverse_sqrt"};
  return names[static_cast<int>(k)];
}

/// The kind of that name. Throws where there is none.
inline rate_kind rate_kind_of(std::string_view name) {
  for (const rate_kind k : {rate_kind::constant, rate_kind::linear, rate_kind::cosine, rate_kind::wsd, rate_kind::inverse_sqrt})
    if (name_of(k) == name) return k;
  throw error(text("stretto: there is no schedule of rates '", name.substr(0, 64), "'; choose from constant, linear, cosine, wsd and inverse_sqrt").str());
}

struct rate_schedule {
  rate_kind kind = rate_kind::constant;
  double rate = 1e-3;           ///< the largest
  std::int64_t warmup = 0;      ///< steps that lead there
  std::int64_t steps = 0;       ///< in all, warm-up among them; constant and inverse_sqrt need none
  double final_fraction = 0;    ///< of the rate, at the end
  double decay_share = 0.2;     ///< of the steps, at their end; for wsd

  /// The rate of a step, from 0. Throws where a number is no use.
  double operator()(std::int64_t step) const {
    check();
    if (step < 0) throw error(text("stretto: the rate of step ", step, " is asked for; steps count from 0").str());
    if (step < warmup) return rate * (static_cast<double>(step) + 1) / static_cast<double>(warmup);
    const double low = final_fraction;
    const auto over = [&](std::int64_t from) {  // the share of what is behind `from` that is over
      return step >= steps ? 1.0 : step <= from ? 0.0 : static_cast<double>(step - from) / static_cast<double>(steps - from);
    };
    switch (kind) {
      case rate_kind::constant: break;
      case rate_kind::linear: return rate * (1 - (1 - low) * over(warmup));
      case rate_kind::cosine: return rate * (low + (1 - low) * 0.5 * (1 + std::cos(3.14159265358979323846 * over(warmup))));
      case rate_kind::wsd: return rate * (1 - (1 - low) * std::sqrt(over(decay_start())));
      case rate_kind::inverse_sqrt: {
        const double share = std::sqrt((warmup > 0 ? static_cast<double>(warmup) : 1) / (static_cast<double>(step) + 1));
        return rate * (share > low ? share : low);
      }
    }
    return rate;
  }

  /// The first step of wsd's decay: decay_share of the steps, rounded to whole steps, are left.
  std::int64_t decay_start() const { return steps - static_cast<std::int64_t>(decay_share * static_cast<double>(steps) + 0.5); }

  /// Throws stretto::error where a number is no use; so does asking for a rate.
  void check() const {
    if (!(rate >= 0 && rate < 1e30)) throw error("stretto: rate_schedule::rate is below 0 or no number; give the largest rate");
    if (warmup < 0 || steps < 0 || steps > largest || warmup > largest)
      throw error(text("stretto: rate_schedule has ", warmup, " steps of warm-up and ", steps, " in all; give 0 to ", largest, " of each").str());
    if (!(final_fraction >= 0 && final_fraction <= 1)) throw error("stretto: rate_schedule::final_fraction isn't from 0 to 1; give the share of the rate that is left at the end");
    if (!(decay_share >= 0 && decay_share <= 1)) throw error("stretto: rate_schedule::decay_share isn't from 0 to 1; give the share of the steps that the decay takes");
    if (static_cast<unsigned>(kind) > static_cast<unsigned>(rate_kind::inverse_sqrt)) throw error("stretto: rate_schedule::kind is none of those there are; use one of rate_kind");
    if (kind == rate_kind::constant || kind == rate_kind::inverse_sqrt) return;
    if (steps <= warmup) throw error(text("stretto: schedule ", name_of(kind), " of rates has ", steps, " steps and ", warmup, " of them to warm up; give rate_schedule::steps, and more of them").str());
    if (kind == rate_kind::wsd && decay_start() < warmup)
      throw error(text("stretto: schedule wsd of rates begins to decay in step ", decay_start(), ", while it warms up until step ", warmup, "; lower decay_share or warmup").str());
  }

  static constexpr std::int64_t largest = std::int64_t{1} << 52;  ///< number of steps: up to there doubles hold each
};

}  // namespace stretto::inline v0
