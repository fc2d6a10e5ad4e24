// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The grid on a terminal: in colours it says what it says without, and cut rows say so. Grids as such are held to the
// pictures of tests/schedule.
#include <algorithm>
#include <cmath>
#include <string>

#include <stretto/plan/draft.hpp>
#include <stretto/plan/render.hpp>
#include <stretto/schedule.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

/// Without escapes.
std::string plain(const std::string& s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i)
    if (s[i] == '\x1b') i = s.find('m', i);
    else out += s[i];
  return out;
}

/// Without dashes, and without blanks at the ends of lines.
std::string bare(const std::string& s) {
  std::string out;
  for (char c : s) {
    while (c == '\n' && !out.empty() && out.back() == ' ') out.pop_back();
    out += c == '-' ? ' ' : c;
  }
  return out;
}

std::size_t longest_line(const std::string& s) {
  std::size_t most = 0;
  for (std::size_t at = 0; at < s.size(); at = s.find('\n', at) + 1) most = std::max(most, s.find('\n', at) - at);
  return most;
}

}  // namespace

TEST_CASE("a grid has no escapes unless colours are asked for") {
  CHECK(to_grid(make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 5})).find('\x1b') == std::string::npos);
}

TEST_CASE("a coloured grid has the same letters at the same places for every schedule") {
  all_schedules::each([](auto s) {
    using S = decltype(s);
    INFO(S::name);
    const plan p = make_plan(s, {.ranks = 4, .micro_batches = 8, .chunks = takes_chunks<S>() ? 2 : 1});
    const std::string coloured = to_grid(p, costs(), {.colours = true});
    CHECK(coloured.find("\x1b[38;5;231;48;5;25m") != std::string::npos);
    CHECK(bare(plain(coloured)) == bare(to_grid(p)));
  });
}

TEST_CASE("cells have the colour of their pass, white or black letters on it, and a pair has two") {
  draft d;
  d.order_of = {{action::forward(0, 0), action::backward(0, 0).with_next(), action::forward(0, 1), action::backward(0, 1)}};
  CHECK(to_grid(make_plan(d), costs(), {.colours = true}) ==
        "rank 0 | \x1b[38;5;231;48;5;25mF0\x1b[0m \x1b[38;5;231;48;5;166mB0|\x1b[38;5;231;48;5;25mF1   \x1b[0m \x1b[38;5;231;48;5;166mB1   \x1b[0m\n");
}

TEST_CASE("rows are cut at the width that is given, and a last line says so") {
  const plan p = make_plan(gpipe{}, {.ranks = 2, .micro_batches = 3});
  const std::string whole = to_grid(p);
  const auto width = static_cast<int>(longest_line(whole));
  CHECK(to_grid(p, costs(), {.width = width}) == whole);
  for (int w = 1; w < width; ++w)
    for (const bool colours : {false, true}) {
      const std::string cut = plain(to_grid(p, costs(), {.colours = colours, .width = w}));
      const std::size_t last = cut.rfind('(');
      CHECK(cut.substr(last) == "(rows are cut at column " + std::to_string(w) + " of " + std::to_string(width) + ")\n");
      for (std::size_t row = 0, at = 0; row < 2; ++row, at = cut.find('\n', at) + 1) {
        const std::string line = cut.substr(at, cut.find('\n', at) - at);
        const std::size_t head = std::string("rank 0 |").size();
        CHECK(line.size() <= std::max(static_cast<std::size_t>(w), head));
      }
    }
}

TEST_CASE("a colour's nearest of 256 has the place that terminals give it") {
  CHECK(colour{0, 0, 0}.of_256() == 16);
  CHECK(colour{255, 255, 255}.of_256() == 231);
  CHECK(colour{255, 0, 0}.of_256() == 196);
  CHECK(colour{95, 135, 175}.of_256() == 67);
  static_assert(colour_of(pass::forward, 1, 2).lightness() > colour_of(pass::forward, 0, 2).lightness());
  static_assert(colour_of(pass::forward, 0, 2) == colour_of(pass::forward));
}

TEST_CASE("no two passes that a graph can have by default look alike, and letters stand out from every shade") {
  for (int a = 0; a < pass::first_user + 6; ++a) {
    for (int b = 0; b < a; ++b) CHECK_FALSE(colour_of(static_cast<pass_id>(a)) == colour_of(static_cast<pass_id>(b)));
    for (int chunk = 0; chunk < 8; ++chunk) {
      const colour c = colour_of(static_cast<pass_id>(a), chunk, 8);
      const auto linear = [](int v) { return v <= 10 ? v / 255.0 / 12.92 : std::pow((v / 255.0 + 0.055) / 1.055, 2.4); };
      const double light = 0.2126 * linear(c.red) + 0.7152 * linear(c.green) + 0.0722 * linear(c.blue);
      INFO(a << " " << chunk);
      CHECK((c.takes_white_text() ? 1.05 / (light + 0.05) : (light + 0.05) / 0.05) >= 3.0);  // as WCAG counts contrast
    }
  }
}
