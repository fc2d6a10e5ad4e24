// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The SVG picture is well-formed, has a box an action, and lets no name out of its place.
#include <string>

#include <stretto/draw/svg.hpp>

#include "catch.hpp"
#include "draw/plans.hpp"
#include "draw/readers.hpp"

using namespace stretto;

namespace {

int count(const std::string& s, const std::string& what) {
  int n = 0;
  for (std::size_t i = s.find(what); i != std::string::npos; i = s.find(what, i + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("an SVG is well-formed and has a rect for each action, whatever the plan and the options") {
  for (const plan& p : plans::all())
    for (const bool on : {false, true}) {
      INFO(p.name.str());
      const timeline t = make_timeline(p, costs(1, 1, 1, 0.25));
      const std::string svg = to_svg(t, {.memory = on, .critical = on, .messages = on});
      const readers::xml_count x = readers::read_xml(svg);
      CHECK(x.elements.at("svg") == 1);
      CHECK(x.elements.at("rect") == static_cast<int>(t.actions.size()));
      CHECK(x.elements.at("title") == static_cast<int>(t.actions.size()) + 1 + (on ? p.ranks : 0));
      CHECK(svg.find(" viewBox=\"0 0 ") != std::string::npos);
    }
}

TEST_CASE("an SVG names each action with its start and end, and the sizes of the plan") {
  const std::string svg = to_svg(make_timeline(make_plan(gpipe{}, {.ranks = 2, .micro_batches = 4})));
  CHECK(svg.find("<title>0F3 3 to 4</title>") != std::string::npos);
  CHECK(svg.find("<title>1B0 5 to 7</title>") != std::string::npos);
  CHECK(svg.find("2 ranks, 4 micro-batches \u00b7 makespan 15 \u00b7 bubble 20 %") != std::string::npos);
}

TEST_CASE("an SVG draws the two of a pair one above the other, at the same place") {
  const std::string svg = to_svg(make_timeline(plans::with_pairs()));
  CHECK(count(svg, "height=\"11.5\"") == 2);
  CHECK(count(svg, "y=\"12.5\" width=") == 1);
}

TEST_CASE("an SVG has a row for each lane that something runs on") {
  const readers::xml_count x = readers::read_xml(to_svg(make_timeline(plans::with_lanes())));
  CHECK(x.text.find("copy out") != std::string::npos);
  CHECK(x.text.find("copy in") == std::string::npos);
}

TEST_CASE("a title that means harm stays text in an SVG") {
  const std::string svg = to_svg(make_timeline(plans::with_pairs(), costs(), holding(), {.title = plans::harm}));
  const readers::xml_count x = readers::read_xml(svg);
  CHECK(x.elements.count("b") == 0);
  CHECK(x.text.find("</script></title>&\"'<b>\\ \xEF\xBF\xBD\xEF\xBF\xBD ") != std::string::npos);
}

TEST_CASE("an SVG has the width that is asked for, else one from 640 to 2400 pixels of time") {
  const timeline small = make_timeline(make_plan(gpipe{}, {.ranks = 2, .micro_batches = 4}));
  CHECK(to_svg(small, {.width = 500}).find("width=\"500\"") != std::string::npos);
  const auto width = [](const std::string& svg) { return std::stod(svg.substr(svg.find("\" width=\"") + 9)); };
  CHECK(width(to_svg(small)) > 640);
  CHECK(width(to_svg(small)) < 760);
  const double large = width(to_svg(make_timeline(make_plan(gpipe{}, {.ranks = 2, .micro_batches = 2000}))));
  CHECK(large > 2400);
  CHECK(large < 2520);
}

TEST_CASE("an SVG of 8 ranks and 32 micro-batches has less than 150 bytes an action") {
  const timeline t = make_timeline(make_plan(one_f_one_b{}, {.ranks = 8, .micro_batches = 32}));
  CHECK(to_svg(t).size() < 150 * t.actions.size());
}

TEST_CASE("a picture of a plan with nothing in it is a picture") {
  timeline none;
  CHECK_NOTHROW(readers::read_xml(to_svg(none)));
}

TEST_CASE("the same timeline gives the same SVG") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 5});
  CHECK(to_svg(make_timeline(p)) == to_svg(make_timeline(p)));
}

TEST_CASE("more than 200000 actions are refused in words") {
  timeline t;
  t.actions.resize(200'001);
  CHECK_THROWS_WITH(to_svg(t), "stretto: the picture would have 200001 actions, and more than 200000 can't be looked at; draw fewer micro-batches, or write a trace");
}

TEST_CASE("times in seconds have the unit that suits them, others have none") {
  timeline t;
  CHECK(detail::time_words(t, 12.5) == "12.5");
  CHECK(detail::time_words(t, 0) == "0");
  t.unit = "s";
  CHECK(detail::time_words(t, 12.5) == "12.5 s");
  CHECK(detail::time_words(t, 0.0125) == "12.5 ms");
  CHECK(detail::time_words(t, 0.0000125) == "12.5 \u00b5s");
  CHECK(detail::time_words(t, 0) == "0");
}

TEST_CASE("ticks are 1, 2 or 5 times a power of ten") {
  CHECK(detail::tick_of(0.7) == Approx(1));
  CHECK(detail::tick_of(1) == Approx(1));
  CHECK(detail::tick_of(1.1) == Approx(2));
  CHECK(detail::tick_of(30) == Approx(50));
  CHECK(detail::tick_of(0.06) == Approx(0.1));
}
