// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Progress with a clock that the test turns: lines where there is no terminal, and what a terminal gets, character by character.
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/train/progress.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct turned_clock {
  std::string out;
  double now = 0;
  progress_options options(int width, bool utf8 = true) {
    progress_options o;
    o.name = "reading", o.width = width, o.utf8 = utf8;
    o.write = [this](std::string_view s) { out += s; };
    o.clock = [this] { return now; };
    return o;
  }
};

int count_of(const std::string& s, char c) {
  int n = 0;
  for (char x : s) n += x == c ? 1 : 0;
  return n;
}

/// What stands on the screen after these characters.
std::string on_screen(std::string_view s) {
  std::string all;
  std::vector<std::string> line;
  std::size_t at = 0;
  const auto end = [&] {
    while (!line.empty() && line.back() == " ") line.pop_back();
    for (const std::string& c : line) all += c;
    line.clear(), at = 0;
  };
  detail::each_character(s, [&](std::string_view c) {
    if (c == "\n") {
      end(), all += c;
    } else if (c == "\r") {
      at = 0;
    } else {
      if (at >= line.size()) line.resize(at + 1, " ");
      line[at++] = c;
    }
  });
  end();
  return all;
}

}  // namespace

TEST_CASE("without a terminal there are lines at 1, 2, 5, 10 and one at the end") {
  turned_clock t;
  {
    progress bar(100, t.options(0));
    for (int i = 1; i <= 100; ++i) t.now += 0.5, bar.update(i);
  }
  CHECK(t.out ==
        "reading 1/100 (1 %) | 2.00/s | 50 s left\nreading 2/100 (2 %) | 2.00/s | 49 s left\nreading 5/100 (5 %) | 2.00/s | 48 s left\n"
        "reading 10/100 (10 %) | 2.00/s | 45 s left\nreading 20/100 (20 %) | 2.00/s | 40 s left\nreading 50/100 (50 %) | 2.00/s | 25 s left\n"
        "reading 100/100 in 50 s (2.00/s)\n");
}

TEST_CASE("lines stand at every n-th, also where work jumps over it") {
  turned_clock t;
  progress_options o = t.options(0);
  o.every = 1000;
  progress bar(0, o);
  for (int i = 0; i <= 3200; i += 320) t.now += 1, bar.update(i, "shard 3");
  bar.finish();
  bar.finish();
  bar.update(9999);
  CHECK(t.out == "reading 1,280 | 260/s | shard 3\nreading 2,240 | 285/s | shard 3\nreading 3,200 | 296/s | shard 3\nreading 3,200 in 11 s (291/s)\n");
}

TEST_CASE("a terminal gets a bar that is drawn over itself ten times a second at most") {
  turned_clock t;
  progress bar(1000, t.options(90));
  for (int i = 1; i <= 500; ++i) t.now += 0.01, bar.update(i);
  const int drawn = count_of(t.out, '\r');
  CHECK(drawn >= 45);
  CHECK(drawn <= 51);
  CHECK(count_of(t.out, '\n') == 0);
  const std::string line = t.out.substr(t.out.rfind('\r') + 1);
  CHECK_THAT(line, Catch::Matchers::ContainsSubstring("reading  50 % \u2588\u2588"));
  CHECK_THAT(line, Catch::Matchers::ContainsSubstring("/1,000 | 100/s | 5.0 s left"));
  int columns = 0;
  detail::each_character(line, [&](std::string_view) { ++columns; });
  CHECK(columns == 89);
  t.now += 1;
  bar.finish();
  CHECK(on_screen(t.out) == "reading 500/1,000 in 6.0 s (83.3/s)\n");
}

TEST_CASE("a line that is said stands above the bar and the end leaves nothing of it") {
  turned_clock t;
  {
    progress bar(10, t.options(80, false));
    t.now = 1, bar.update(5, "a note");
    CHECK(on_screen(t.out).substr(0, 30) == "reading  50 % #######........ ");
    bar.say("step 5");
    t.now = 2, bar.update(10);
  }
  CHECK(on_screen(t.out) == "step 5\nreading 10/10 in 2.0 s (5.00/s)\n");
}

TEST_CASE("a narrow terminal and a note of many characters never break the line") {
  for (int width = 1; width < 1000; width += width < 60 ? 1 : 100) {
    turned_clock t;
    progress bar(1'000'000'000'000, t.options(width));
    t.now = 3, bar.update(1, "\x1b[2J\nnote \u20ac\u20ac\u20ac " + std::string(500, 'x'));
    int columns = 0;
    detail::each_character(t.out.substr(1), [&](std::string_view c) { columns += c != "\n" ? 1 : 0; });
    CHECK(columns <= (width > 400 ? 399 : width - 1));
    CHECK(t.out.find('\x1b') == std::string::npos);
    CHECK(t.out.find('\n') == std::string::npos);
  }
}

TEST_CASE("the time left follows a rate that changes, and counts only new work") {
  turned_clock t;
  progress_options o = t.options(0);
  o.done = 1000, o.every = 1;
  progress bar(2000, o);
  int done = 1000;
  for (int i = 0; i < 100; ++i) t.now += 1, bar.update(done += 1);
  for (int i = 0; i < 200; ++i) t.now += 1, bar.update(done += 2);
  const std::string last = t.out.substr(t.out.rfind('\n', t.out.size() - 2) + 1);
  CHECK(last == "reading 1,500/2,000 (75 %) | 2.00/s | 4 min 10 s left\n");
}

TEST_CASE("bars have eighths of a block or none") {
  CHECK(detail::bar_of(0.5, 4, false) == "##..");
  CHECK(detail::bar_of(0.5625, 2, true) == "\u2588\u258f");
  CHECK(detail::bar_of(1, 2, true) == "\u2588\u2588");
  CHECK(detail::bar_of(-3, 2, true) == "  ");
  CHECK(detail::bar_of(7, 2, true) == "\u2588\u2588");
}
