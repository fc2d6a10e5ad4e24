// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The page: its data is JSON with every action in it, nothing in it can leave its place, and it asks for nothing from
// elsewhere. That its script makes a box of each action is looked at in a browser.
#include <limits>
#include <string>
#include <string_view>

#include <stretto/draw/html.hpp>

#include "catch.hpp"
#include "draw/plans.hpp"
#include "draw/readers.hpp"

using namespace stretto;

namespace {

/// The data of a page.
readers::json data_of(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const std::size_t from = page.find(begin) + begin.size();
  return readers::read_json(page.substr(from, page.find("</script>", from) - from));
}

int count(const std::string& s, const std::string& what) {
  int n = 0;
  for (std::size_t i = s.find(what); i != std::string::npos; i = s.find(what, i + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a page's data is JSON and has every action and message of the timeline") {
  for (const plan& p : plans::all()) {
    INFO(p.name.str());
    const timeline t = make_timeline(p, costs(1, 1, 1, 0.25));
    const readers::json data = data_of(to_html(t));
    REQUIRE(data["runs"].items.size() == 1);
    const readers::json& run = data["runs"].items[0];
    CHECK(count(run["names"].text, " ") + 1 == static_cast<int>(t.actions.size()));
    for (const char* column : {"lane", "pass", "batch", "chunk", "half", "start", "end", "waited", "after", "slack", "critical"}) {
      INFO(column);
      CHECK(run[column].items.size() == t.actions.size());
    }
    for (const char* column : {"message_from", "message_to", "sent", "taken"}) CHECK(run[column].items.size() == t.messages.size());
    CHECK(run["begin"].items.size() == static_cast<std::size_t>(p.ranks) + 1);
    CHECK(run["begin"].items.back().value == static_cast<double>(t.actions.size()));
    CHECK(run["ranks"].items.size() == static_cast<std::size_t>(p.ranks));
    for (std::size_t i = 0; i < t.actions.size(); ++i) {
      CHECK(run["start"].items[i].value == Approx(t.actions[i].start));
      CHECK(run["end"].items[i].value == Approx(t.actions[i].end));
    }
  }
}

TEST_CASE("a title that means harm ends neither the title nor the script of a page") {
  const timeline t = make_timeline(plans::with_pairs(), costs(), holding(), {.title = plans::harm});
  const std::string page = to_html(t, &t);
  CHECK(count(page, "<script") == 2);
  CHECK(count(page, "</script") == 2);
  CHECK(count(page, "</title>") == 1);
  CHECK(count(page, "<b>") == 0);
  CHECK(data_of(page)["runs"].items[1]["title"].text == "</script></title>&\"'<b>\\ \xEF\xBF\xBD\xEF\xBF\xBD ?");
}

TEST_CASE("a page forbids itself to load anything, and names no other place than the one of SVG's names") {
  const std::string page = to_html(make_timeline(plans::with_pairs()));
  CHECK(page.find("default-src 'none'") != std::string::npos);
  CHECK(count(page, "://") == 1);
  CHECK(count(page, "http://www.w3.org/2000/svg") == 1);
  CHECK(count(page, " src=") == 0);
  CHECK(count(page, "@import") == 0);
}

TEST_CASE("a page of a run has both timelines, the measured one marked") {
  const timeline foretold = make_timeline(plans::with_pairs());
  timeline measured = foretold;
  measured.measured = true;
  const readers::json data = data_of(to_html(foretold, &measured));
  REQUIRE(data["runs"].items.size() == 2);
  CHECK(data["runs"].items[0]["measured"].value == 0);
  CHECK(data["runs"].items[1]["measured"].value == 1);
}

TEST_CASE("every shade that stands in a timeline has its colour in the page") {
  const timeline t = make_timeline(make_plan(dualpipe{}, {.ranks = 4, .micro_batches = 8}));
  const std::string page = to_html(t);
  for (const drawn_action& d : t.actions) {
    const std::string number = std::to_string(d.pass) + "_" + std::to_string(d.chunk);
    CHECK(page.find(".b" + number + "{fill:#") != std::string::npos);
    CHECK(page.find(".t" + number + "{fill:#") != std::string::npos);
  }
}

TEST_CASE("the same timeline gives the same page, and a page has at most 100 bytes an action beyond its own 40 kB") {
  const timeline t = make_timeline(make_plan(one_f_one_b{}, {.ranks = 8, .micro_batches = 64}));
  const std::string page = to_html(t);
  CHECK(page == to_html(t));
  CHECK(page.size() < 40'000 + 100 * t.actions.size());
}

TEST_CASE("timelines that can't stand side by side are refused in words") {
  const timeline two = make_timeline(plans::with_pairs()), one = make_timeline(plans::with_lanes());
  CHECK_THROWS_WITH(to_html(two, &one), "stretto: a timeline of 2 ranks is to stand beside one of 1; draw two of one plan");
  timeline seconds = two;
  seconds.unit = "s";
  CHECK_THROWS_WITH(to_html(two, &seconds),
                    "stretto: a timeline in mere numbers is to stand beside one in seconds; simulate with costs in seconds, and say so with timeline_options::unit");
}

TEST_CASE("what is no UTF-8 becomes a mark, and what is stays") {
  const auto xml = [](std::string_view s) {
    std::string out;
    detail::put_xml(out, s);
    return out;
  };
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(xml("a\tb") == "a\tb");
  CHECK(xml("\u00e9\u20ac\U0001f600") == "\u00e9\u20ac\U0001f600");
  CHECK(xml("\x80") == mark);
  CHECK(xml("\xc3") == mark);
  CHECK(xml("\xc0\x80") == mark + mark);
  CHECK(xml("\xed\xa0\x80") == mark + mark + mark);
  CHECK(xml("\xef\xbf\xbf") == mark + mark + mark);
  CHECK(xml("\xf5\x80") == mark + mark);
  CHECK(xml(std::string_view("\0", 1)) == mark);
}

TEST_CASE("numbers are what JSON takes, whatever they are") {
  const auto words = [](double v) {
    std::string out;
    detail::put_number(out, v);
    return out;
  };
  CHECK(words(0.1) == "0.1");
  CHECK(words(-0.0) == "0");
  CHECK(words(1.0 / 3) == "0.333333333");
  CHECK(words(std::numeric_limits<double>::infinity()) == "0");
  CHECK(words(std::numeric_limits<double>::quiet_NaN()) == "0");
  CHECK(readers::read_json(words(1e300)).value == Approx(1e300));
}
