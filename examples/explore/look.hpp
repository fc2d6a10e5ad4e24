// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Commands that show: list, grid, and show, which is what somebody wants to see first.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include <stretto/plan/render.hpp>

#include "choose.hpp"
#include "words.hpp"

namespace explore {

inline int list(arguments& a) {
  a.finish("list", "no flags");
  std::string out;
  for (const entry& e : registry())
    out += padded(e.name, 18) + " " + e.summary + (e.needs.empty() ? "" : "; needs ") + e.needs + "; takes " + e.flags + "; type " + e.type + "\n";
  put(out);
  return 0;
}

inline constexpr const char* width_flag = ", --width N";
inline void read_width(arguments& a, int& width) { a.integer("--width", width, 20, 1'000'000'000); }

inline int grid(arguments& a) {
  int width = 0;
  const chosen c = choose(a, {"grid", width_flag, [&](arguments& more) { read_width(more, width); }});
  put(stretto::to_grid(c.plan, c.prices.costs, {.width = width}));
  return 0;
}

/// Whether to colour what goes to standard output, and how wide rows may be (0: as they are).
struct terminal {
  std::string colour = "auto";
  int width = 0;

  void read(arguments& a) {
    if (a.value("--color", colour) && colour != "auto" && colour != "always" && colour != "never")
      refuse("--color takes auto, always or never, not '" + colour + "'");
    if (isatty(STDOUT_FILENO) == 1) {
      winsize size{};
      if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) width = size.ws_col;
      const char* const said = std::getenv("COLUMNS");
      if (width == 0 && said != nullptr) width = std::clamp(std::atoi(said), 0, 10'000);
    }
    read_width(a, width);
  }
  bool colours() const {
    if (colour != "auto") return colour == "always";
    const auto set = [](const char* name, const char* but) {
      const char* const value = std::getenv(name);
      return value != nullptr && *value != 0 && std::string(value) != but ? true : false;
    };
    return isatty(STDOUT_FILENO) == 1 && !set("NO_COLOR", "") && set("TERM", "dumb");
  }
};

/// What somebody wants to see first: the timeline, and what it costs.
inline int show(arguments& a) {
  terminal t;
  const chosen c = choose(a, {"show", std::string(", --color auto|always|never") + width_flag, [&](arguments& more) { t.read(more); }});
  const stretto::forecast f = stretto::simulate(c.plan, c.prices.costs, c.prices.holding);
  std::string out = stretto::to_grid(c.plan, c.prices.costs, {.colours = t.colours(), .width = t.width}) + "\n";
  std::string peaks;
  for (double p : f.peak_of) peaks += (peaks.empty() ? "" : " ") + digits(p, 4);
  const double copies = copies_of_weights(c.plan);
  out += R"(step time  )" + digits(f.makespan, 6) + "\n";
  out += "bubble     " + percent(f.bubble_rate()) + " of it\n";
  out += "peak       " + digits(f.peak, 4) + R"( forward passes, by rank )" + peaks + "\n";
  out += "messages   " + std::to_string(f.messages) + "\n";
  if (copies > 1) out += R"(weights    held )" + times(copies) + "\n";
  put(out);
  return 0;
}

}  // namespace explore
