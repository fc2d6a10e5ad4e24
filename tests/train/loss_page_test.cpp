// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loss curve and the page: well-formed, of the size asked for, whatever the points are.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <stretto/train/loss_page.hpp>

#include "catch.hpp"
#include "draw/readers.hpp"

using namespace stretto;

namespace {

std::vector<loss_point> falling_curve(int n) {
  std::vector<loss_point> all;
  for (int i = 1; i <= n; ++i) all.push_back({static_cast<double>(i), 3 + 8 * std::exp(-i / (0.1 * n)) + 0.2 * std::sin(i * 12.9)});
  return all;
}

int count_in(const std::string& s, const std::string& what) {
  int n = 0;
  for (std::size_t at = s.find(what); at != std::string::npos; at = s.find(what, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a loss curve has its title, last values, ticks and lines") {
  const std::vector<loss_point> training = falling_curve(1000);
  const std::string svg = loss_svg(training, {{250, 4.5}, {500, 3.75}, {1000, 3.25}}, {.title = "GPT <2>"});
  CHECK(svg.find("viewBox=\"0 0 760 340\"") != std::string::npos);
  CHECK(svg.find(">GPT &lt;2&gt;</text>") != std::string::npos);
  CHECK(svg.find(">validation 3.2500</text>") != std::string::npos);
  for (const char* label : {">200</text>", ">1,000</text>", ">step</text>", ">4</text>", ">10</text>"}) {
    INFO(label);
    CHECK(svg.find(label) != std::string::npos);
  }
  CHECK(count_in(svg, "<circle class=\"dv\" r=\"3\"") == 3);
  CHECK(count_in(svg, "<path class=\"r\"") == 1);
  CHECK(svg.size() < 80 * 760);
}

TEST_CASE("a spike does not flatten a loss curve, and what is not finite is marked") {
  std::vector<loss_point> training = falling_curve(1000);
  training[600].loss = 1e6;
  training[700].loss = std::nan("");
  training[800].loss = std::numeric_limits<double>::infinity();
  const std::string svg = loss_svg(training);
  CHECK(svg.find(">2 not finite</text>") != std::string::npos);
  CHECK(svg.find(">10</text>") != std::string::npos);  // the axis is as it was
  CHECK(svg.find(">20</text>") == std::string::npos);
  CHECK(count_in(svg, "h8l-4 8z") == 3);  // the key and two marks
  CHECK(svg.find("nan") == std::string::npos);
}

TEST_CASE("a loss curve of any points is well-formed") {
  const double bad[] = {std::nan(""), 1e308, -1e308, 0, 1e-300, 5, std::numeric_limits<double>::infinity()};
  std::vector<std::vector<loss_point>> all{{}, {{1, 2}}, {{1, 2}, {1, 2}}, {{5, 3}, {1, 4}}, falling_curve(30'000)};
  for (double a : bad)
    for (double b : bad) all.push_back({{a, b}, {b, a}, {1, 1}});
  for (const auto& points : all)
    for (double size : {0.0, 400.0, 1e300, std::nan("")}) {
      const std::string svg = loss_svg(points, points, {.width = size, .height = size});
      CHECK(svg.size() < (size > 1000 ? 3'000'000 : 60'000));
      CHECK_NOTHROW(readers::read_xml(svg));
      for (std::size_t at = svg.find(" d=\""); at != std::string::npos; at = svg.find(" d=\"", at + 1))
        CHECK(svg.substr(at + 4, svg.find('"', at + 4) - at - 4).find_first_not_of("0123456789.- MLHhvlz") == std::string::npos);
    }
}

TEST_CASE("a page holds its sections and asks for nothing else") {
  const std::string page = html_sections("run <7>", {{"Loss & norm", "<svg></svg>"}, {"Options", "<pre>a</pre>"}});
  CHECK(page.find("<h1>run &lt;7&gt;</h1>") != std::string::npos);
  CHECK(page.find("<h2>Loss &amp; norm</h2>") != std::string::npos);
  CHECK(page.find("<svg></svg>") < page.find("<pre>a</pre>"));
  CHECK(page.find("prefers-color-scheme: dark") != std::string::npos);
  CHECK(page.find("http://") == std::string::npos);
  CHECK(page.find("https://") == std::string::npos);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.substr(page.size() - 16) == "</body>\n</html>\n");
}

TEST_CASE("an SVG becomes an image with its own styles") {
  CHECK(stretto::svg_image("<svg id=\"a\">50 % & ü</svg>", "a \"b\"") ==
        "<img alt=\"a &quot;b&quot;\" src=\"data:image/svg+xml,%3Csvg%20id=%22a%22%3E50%20%25%20%26%20%C3%BC%3C/svg%3E\">\n");
}
