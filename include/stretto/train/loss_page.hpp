// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A loss curve as SVG, and a page that holds such pictures and tables: files of their own, without script or network.
//
//     const std::string picture = loss_svg(training, validation, {.title = "GPT-2 124M"});     std::vector<loss_point>
//     html_sections("run 7", {{"Loss", picture}, {"Plan", svg_image(to_svg(timeline), "the plan")}, {"Options", "<pre>…</pre>"}});
//
//     title
//     ● training 3.2104   ● validation 3.4012                   the last values
//     |\.                 each value, pale, and above it what is left when noise is smoothed
//     | ''-..____         ticks at 1, 2 or 5 times a power of ten
//     +------------
// A value that isn't finite breaks the line and is marked on the upper edge. A spike doesn't flatten the rest: the axis holds
// the smoothed curve and all but the outermost values. Of more points than pixels, each column of pixels shows its lowest and its highest.
// Cost: few passes over the points; at most 80 bytes a pixel of width.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/draw/escape.hpp>
#include <stretto/draw/page_style.hpp>
#include <stretto/draw/words.hpp>
#include <stretto/train/number_words.hpp>

namespace stretto::inline v0 {

struct loss_point {
  double step, loss;
};

struct curve_options {
  std::string title = "";
  double width = 760, height = 340;  ///< in pixels, from 200 x 120 to 10000 x 10000
};

/// A part of a page. The body is HTML or SVG and stands as it is; the title is text.
struct page_section {
  std::string title;
  std::string body;
};

namespace detail {

class loss_drawing {
 public:
  loss_drawing(const std::vector<loss_point>& training, const std::vector<loss_point>& validation, const curve_options& how)
      : training_(training), validation_(validation), how_(how) {}

  std::string draw() {
    width_ = how_.width >= 200 ? (std::min)(how_.width, 10000.0) : 200;
    height_ = how_.height >= 120 ? (std::min)(how_.height, 10000.0) : 120;
    top_ = how_.title.empty() ? 40 : 62, bottom_ = height_ - 38;
    smooth();
    measure();
    head();
    axes();
    lines();
    out_ += "</svg>\n";
    return std::move(out_);
  }

 private:
  static constexpr std::int64_t noisy = 80;  // fewer points are drawn as they are
  static constexpr double margin = 14, letter = 6.3, largest = 1e100;

  static bool shows(const loss_point& p) { return std::abs(p.loss) < largest && std::abs(p.step) < largest; }

  /// The training curve without its noise: medians around each of 240 places, of few points where the run begins and the
  /// curve is steep. A mean of what came before would lag behind the curve, and a spike would lift it.
  void smooth() {
    const std::int64_t n = static_cast<std::int64_t>(training_.size()), places = (std::min)(n, std::int64_t{240});
    if (n < noisy) return void(smoothed_ = training_);
    std::vector<double> around;
    for (std::int64_t k = 0; k < places; ++k) {
      const std::int64_t at = k * (n - 1) / (places - 1), half = (std::min)(at / 4, n / 50);
      const std::int64_t from = at - half, to = (std::min)(n - 1, at + half), stride = (to - from) / 400 + 1;
      around.clear();
      for (std::int64_t i = from; i <= to; i += stride)
        if (shows(training_[static_cast<std::size_t>(i)])) around.push_back(training_[static_cast<std::size_t>(i)].loss);
      if (around.empty()) continue;
      smoothed_.push_back({training_[static_cast<std::size_t>(at)].step, at_share(around, 0.5)});
    }
  }

  /// The value that a share of all lies below.
  static double at_share(std::vector<double>& values, double share) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
  }

  void measure() {
    bool any = false;
    const auto hold = [&](const loss_point& p) {
      if (!shows(p)) return;
      if (!any) first_ = last_ = p.step, low_ = high_ = p.loss;
      any = true;
      first_ = (std::min)(first_, p.step), last_ = (std::max)(last_, p.step), low_ = (std::min)(low_, p.loss), high_ = (std::max)(high_, p.loss);
    };
    for (const loss_point& p : smoothed_) hold(p);
    for (const loss_point& p : validation_) hold(p);
    std::vector<double> values;
    for (const loss_point& p : training_)
      if (shows(p)) values.push_back(p.loss);
    for (double share : {0.003, 0.997})
      if (!values.empty()) hold({training_.back().step, at_share(values, share)}), hold({training_.front().step, at_share(values, share)});
    if (!any) first_ = 0, last_ = 1, low_ = 0, high_ = 1;
    if (!(last_ > first_)) first_ -= 1, last_ += 1;
    const double least = 1e-9 * (std::max)(std::abs(low_), std::abs(high_));
    if (!(high_ - low_ > least)) low_ -= 0.5 + least, high_ += 0.5 + least;
    tick_ = tick_of((high_ - low_) * 40 / (bottom_ - top_));
    low_ = std::floor(low_ / tick_) * tick_, high_ += 0.03 * (high_ - low_);
    decimals_ = (std::min)(12, (std::max)(0, -static_cast<int>(std::floor(std::log10(tick_) + 1e-9))));
    std::size_t widest = 4;
    for_each_tick(low_, high_, tick_, [&](double v) { widest = (std::max)(widest, loss_words(v).size()); });
    left_ = margin + letter * static_cast<double>(widest) + 8;
    right_ = width_ - margin - 8;
  }

  template <class Take>
  static void for_each_tick(double from, double to, double tick, Take&& take) {
    const double begin = std::ceil(from / tick - 1e-6);
    for (int i = 0; i < 1000 && (begin + i) * tick <= to + 1e-6 * tick; ++i) take((begin + i) * tick);
  }

  std::string loss_words(double v) const { return std::abs(v) < 1e7 ? fixed_words(std::abs(v) < tick_ / 2 ? 0 : v, decimals_) : scientific_words(v, 2); }
  static std::string step_words(double v, double tick) { return std::abs(v) < 1e15 && tick >= 1 ? grouped(static_cast<std::int64_t>(std::round(v))) : fit(v, 8).substr(fit(v, 8).find_first_not_of(' ')); }

  double x_of(double step) const { return left_ + (right_ - left_) * (step - first_) / (last_ - first_); }
  double y_of(double loss) const { return (std::max)(top_, (std::min)(bottom_, bottom_ - (bottom_ - top_) * (loss - low_) / (high_ - low_))); }

  void put(std::string_view s) { out_ += s; }
  void number(double v) { put_pixels(out_, v); }
  void words(std::string_view of_class, double x, double y, std::string_view s) {
    put(R"(<text class=")"), put(of_class), put(R"(" x=")"), number(x), put(R"(" y=")"), number(y), put("\">"), put_xml(out_, s), put("</text>\n");
  }

  void head() {
    put(R"(<svg xmlns="http://www.w3.org/2000/svg" class="loss-curve" role="img" viewBox="0 0 )"), number(width_), put(" "), number(height_);
    put(R"(" width=")"), number(width_), put(R"(" height=")"), number(height_), put("\">\n<title>");
    put_xml(out_, how_.title.empty() ? "loss" : how_.title);
    put("</title>\n<style>");
    put(R"(
.loss-curve{background:#fff;font:11px ui-sans-serif,system-ui,"Segoe UI","DejaVu Sans",sans-serif}
.loss-curve text{fill:#1d2530;font-variant-numeric:tabular-nums}.loss-curve .h{font-size:16px;font-weight:600}.loss-curve .q{fill:#5b6673}
.loss-curve .e{text-anchor:end}.loss-curve .m{text-anchor:middle}.loss-curve path{fill:none;stroke-linejoin:round;stroke-linecap:round}
.loss-curve .grid{stroke:#e3e7ec}.loss-curve .axis{stroke:#8fa1b5}
.loss-curve .t{stroke:#0072b2;stroke-width:1.8}.loss-curve .r{stroke:#0072b2;stroke-width:1;stroke-opacity:.3}.loss-curve .v{stroke:#c95400;stroke-width:1.8}
.loss-curve .dt{fill:#0072b2}.loss-curve .dv{fill:#c95400}.loss-curve .bad{fill:#c9302c}
@media(prefers-color-scheme:dark){.loss-curve{background:#14181d}.loss-curve text{fill:#e6eaef}.loss-curve .q{fill:#9aa6b2}.loss-curve .grid{stroke:#2a313a}
.loss-curve .axis{stroke:#5d7187}.loss-curve .t,.loss-curve .r{stroke:#4db1ec}.loss-curve .v{stroke:#ff9a4d}.loss-curve .dt{fill:#4db1ec}.loss-curve .dv{fill:#ff9a4d}.loss-curve .bad{fill:#ff6b66}}
</style>
)");
    if (!how_.title.empty()) words("h", margin, 26, how_.title);
    double x = margin;
    const double y = top_ - 18;
    const auto key = [&](const char* dot, const char* name, const std::vector<loss_point>& points) {
      if (points.empty()) return;
      const std::string label = name + (" " + fit(points.back().loss, 6));
      put(R"(<circle class=")"), put(dot), put(R"(" r="4" cx=")"), number(x + 4), put(R"(" cy=")"), number(y - 4), put("\"/>\n");
      words("", x + 13, y, label);
      x += 13 + letter * static_cast<double>(label.size()) + 16;
    };
    key("dt", "training", training_);
    key("dv", "validation", validation_);
    std::int64_t bad = 0;
    for (const auto* points : {&training_, &validation_})
      for (const loss_point& p : *points) bad += shows(p) ? 0 : 1;
    if (bad > 0) {
      put(R"(<path class="bad" d="M)"), number(x), put(" "), number(y - 8), put(R"(h8l-4 8z"/>)");
      words("q", x + 13, y, grouped(bad) + R"( not finite)");
    }
  }

  void axes() {
    std::string grid;
    for_each_tick(low_, high_, tick_, [&](double v) {
      grid += "M", put_pixels(grid, left_), grid += " ", put_pixels(grid, y_of(v)), grid += "H", put_pixels(grid, right_);
      words("q e", left_ - 8, y_of(v) + 4, loss_words(v));
    });
    const double wide = letter * static_cast<double>((std::max)(step_words(last_, 1).size(), std::size_t{4})) + 24;
    const double tick = (std::max)(tick_of((last_ - first_) * wide / (right_ - left_)), last_ - first_ >= 5 ? 1.0 : 0.0);
    std::string ticks;
    for_each_tick(first_, last_, tick, [&](double v) {
      ticks += "M", put_pixels(ticks, x_of(v)), ticks += " ", put_pixels(ticks, bottom_), ticks += "v4";
      words("q m", x_of(v), bottom_ + 17, step_words(v, tick));
    });
    put(R"(<path class="grid" d=")"), put(grid), put("\"/>\n");
    put(R"(<path class="axis" d="M)"), number(left_), put(" "), number(bottom_), put("H"), number(right_), put(ticks), put("\"/>\n");
    words("q e", right_, bottom_ + 32, "step");
  }

  /// A line through the points; of many in one column of pixels, through the lowest and the highest.
  std::string line_through(const std::vector<loss_point>& points) const {
    std::string d;
    bool pen = false;
    const bool crowded = static_cast<double>(points.size()) > 2 * (right_ - left_);
    const auto go = [&](double x, double y) {
      d += pen ? "L" : "M", put_pixels(d, x), d += " ", put_pixels(d, y);
      pen = true;
    };
    for (std::size_t i = 0; i < points.size();) {
      if (!shows(points[i])) {
        pen = false, ++i;
        continue;
      }
      const double x = x_of(points[i].step);
      double low = y_of(points[i].loss), high = low, end = low;
      for (++i; crowded && i < points.size() && shows(points[i]) && std::floor(x_of(points[i].step)) == std::floor(x); ++i) {
        end = y_of(points[i].loss);
        low = (std::min)(low, end), high = (std::max)(high, end);
      }
      go(x, low);
      if (high > low) go(x, high), go(x, end);
    }
    return d;
  }

  void lines() {
    const auto path = [&](const char* of_class, const std::string& d) { put(R"(<path class=")"), put(of_class), put(R"(" d=")"), put(d), put("\"/>\n"); };
    if (static_cast<std::int64_t>(training_.size()) >= noisy) path("r", line_through(training_));
    path("t", line_through(smoothed_));
    path("v", line_through(validation_));
    if (validation_.size() <= 60)
      for (const loss_point& p : validation_)
        if (shows(p)) put(R"(<circle class="dv" r="3" cx=")"), number(x_of(p.step)), put(R"(" cy=")"), number(y_of(p.loss)), put("\"/>\n");
    std::string bad;
    double before = -1e9;
    for (const loss_point& p : training_)
      if (!shows(p) && std::abs(p.step) < largest)
        if (const double x = (std::min)(right_, (std::max)(left_, x_of(p.step))); std::abs(x - before) >= 1) {
          bad += "M", put_pixels(bad, x - 4), bad += " ", put_pixels(bad, top_ - 8), bad += R"(h8l-4 8z)";
          before = x;
        }
    if (!bad.empty()) path("bad", bad);
  }

  const std::vector<loss_point>&training_, &validation_;
  const curve_options& how_;
  std::vector<loss_point> smoothed_;
  std::string out_;
  double width_ = 0, height_ = 0, top_ = 0, bottom_ = 0, left_ = 0, right_ = 0;
  double first_ = 0, last_ = 0, low_ = 0, high_ = 0, tick_ = 1;
  int decimals_ = 0;
};

}  // namespace detail

/// A loss curve, of training and where there is one of validation, as SVG. Points stand in order of their steps.
inline std::string loss_svg(const std::vector<loss_point>& training, const std::vector<loss_point>& validation = {}, const curve_options& how = {}) {
  return detail::loss_drawing(training, validation, how).draw();
}

/// An SVG as an image of a page, so that its styles stay its own. `words` stand for it where it can't be seen.
inline std::string svg_image(std::string_view svg, std::string_view words) {
  std::string out = R"(<img alt=")";
  detail::put_xml(out, words);
  out += R"(" src="data:image/svg+xml,)";
  constexpr const char* digits = "0123456789ABCDEF";
  for (const char c : svg) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte > ' ' && byte < 127 && std::string_view("\"%#<>&'{}|\\^`").find(c) == std::string_view::npos;
    if (plain) out += c;
    else out += '%', out += digits[byte >> 4], out += digits[byte & 15];
  }
  return out + "\">\n";
}

/// A page of its own that looks like that of a timeline. A script in a body doesn't run.
inline std::string html_sections(std::string_view title, const std::vector<page_section>& sections) {
  std::string out = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>)";
  detail::put_xml(out, title);
  out += "</title>\n<style>";
  out += detail::page_style;
  out += R"(
section { margin-top: 22px; }
section .wide svg { display: block; max-width: 100%; height: auto; background: none; }
section .wide img { display: block; width: 100%; max-width: 1200px; height: auto; }
pre { margin: 0; padding: 12px 14px; overflow-x: auto; border: 1px solid var(--line); border-radius: 9px; background: var(--panel); font: 12.5px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
</style>
</head>
<body>
<h1>)";
  detail::put_xml(out, title);
  out += "</h1>\n";
  for (const page_section& s : sections) {
    out += "<section>\n<h2>";
    detail::put_xml(out, s.title);
    out += R"(</h2>
<div class="wide">
)";
    out += s.body;
    out += "</div>\n</section>\n";
  }
  return out + "</body>\n</html>\n";
}

}  // namespace stretto::inline v0
