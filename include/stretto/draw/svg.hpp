// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A timeline as SVG: a file of its own that any browser, editor or README shows.
//
//     title, sizes, makespan, bubble
//     rank 0  [0][1][2]   [0 ]…        a row a rank, its other lanes below; boxes coloured by pass, shaded by chunk
//             ▁▂▃▂▁                    what it holds, where asked for
//     0    5    10                     ticks, and a legend
// A box holds the number of its micro-batch where that fits, and names itself when pointed at. Of an overlapped pair each
// has half the height. A bar under a box says that it is on the critical path. It follows the reader's dark or light.
// Cost: about 120 bytes an action.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stretto/draw/escape.hpp>
#include <stretto/draw/timeline.hpp>
#include <stretto/draw/words.hpp>
#include <stretto/plan/colour.hpp>

namespace stretto::inline v0 {

struct svg_options {
  bool memory = false;    ///< a curve below each rank
  bool critical = true;   ///< marks the critical path
  bool messages = false;  ///< a line from the end of an action to the start of that which its message reaches
  double width = 0;       ///< of the picture, in pixels, at most 100000; 0: as wide as numbers in boxes need, the timeline from 640 to 2400
};

namespace detail {

class svg_drawing {
 public:
  svg_drawing(const timeline& shown, const svg_options& options) : t(shown), how(options), rows(rows_of(shown)), shades(shades_of(shown)) {}

  std::string draw() {
    measure();
    head();
    grid();
    if (how.messages) messages();
    for (std::size_t i = 0; i < rows.size(); ++i) row(static_cast<int>(i));
    if (how.critical) critical();
    legend();
    out += "</svg>\n";
    return std::move(out);
  }

 private:
  static constexpr double top = 58, margin = 14, high = 24, gap = 5, curve = 26, letter = 6.3;

  void measure() {
    for (const lane_row& r : rows) left = (std::max)(left, margin + 12 + letter * static_cast<double>(r.on == lane::compute ? 5 + std::to_string(r.rank).size() : std::string_view(name_of_lane(r.on)).size()));
    double wanted = 0;  // pixels a unit of time, so that most numbers fit
    std::vector<double> needs;
    for (const drawn_action& d : t.actions)
      if (d.end > d.start) needs.push_back((letter * static_cast<double>(d.label.size()) + 4) / (d.end - d.start));
    if (!needs.empty()) {
      const auto most = needs.begin() + static_cast<std::ptrdiff_t>(needs.size() * 9 / 10);
      std::nth_element(needs.begin(), most, needs.end());
      wanted = *most * t.makespan;
    }
    const double plot = how.width > 0 ? (std::max)(100.0, (std::min)(how.width, 100'000.0) - left - margin) : (std::min)(2400.0, (std::max)(640.0, wanted)) ;
    scale = t.makespan > 0 ? plot / t.makespan : 1;
    width = left + plot + margin;
    double y = top;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      tops.push_back(y);
      y += high + gap;
      const bool last = i + 1 == rows.size() || rows[i + 1].rank != rows[i].rank;
      if (last && how.memory) y += curve + gap;
      if (last) y += how.memory ? 6 : 2;
    }
    bottom = y;
  }

  double x_of(double time) const { return left + scale * time; }

  void number(double v) { put_pixels(out, v); }

  void put(std::string_view s) { out += s; }

  void head() {
    const double height = bottom + 32 + 19 * each_key([](double, double, const std::vector<shade>&) {});
    put("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 ");
    number(width), put(" "), number(height), put("\" width=\""), number(width), put("\" height=\""), number(height), put("\">\n<title>");
    put_xml(out, t.title + ": " + sizes_in_words(t));
    put("</title>\n<style>\n"
        "svg{background:#fff;font:11px ui-sans-serif,system-ui,\"Segoe UI\",\"DejaVu Sans\",sans-serif}\n"
        "text{fill:#1d2530}.h{font-size:16px;font-weight:600}.q,.a text{fill:#5b6673}\n"
        ".a path{stroke:#e3e7ec;fill:none}.n text{text-anchor:middle}.l text{text-anchor:end}.m{fill:#8fa1b5;fill-opacity:.35;stroke:#5d7187}\n"
        ".c{fill:#1d2530}.e{stroke:#1d2530;stroke-width:1.2;stroke-dasharray:3 2;fill:none}.s{stroke:#5b6673;stroke-opacity:.55;stroke-width:.7;fill:none}\n"
        "@media(prefers-color-scheme:dark){svg{background:#14181d}text{fill:#e6eaef}.q,.a text{fill:#9aa6b2}.a path{stroke:#2a313a}"
        ".c{fill:#fff}.e{stroke:#fff}.s{stroke:#9aa6b2}}\n.n text{fill:#14181d}.w text{fill:#fff}\n");
    for (const shade& one : shades) put(".p" + number_of(one) + "{fill:" + hex_of(colour_of(one.pass, one.chunk, t.chunks)) + "}\n");
    put("</style>\n<text class=\"h\" x=\"");
    number(margin), put("\" y=\"24\">"), put_xml(out, t.title), put("</text>\n<text class=\"q\" x=\"");
    number(margin), put("\" y=\"42\">"), put_xml(out, sizes_in_words(t)), put("</text>\n");
  }

  /// Ticks with their lines, and the names of the rows.
  void grid() {
    const double tick = tick_of(scale > 0 && t.makespan > 0 ? 56 / scale : 1);
    put("<g class=\"a\"><path d=\"");
    std::string words;
    for (int i = 0; i < 1000 && t.makespan > 0 && i * tick <= t.makespan * (1 + 1e-9); ++i) {
      put("M"), number(x_of(i * tick)), put(" "), number(top - 4), put("V"), number(bottom);
      words += "<text x=\"";
      put_pixels(words, x_of(i * tick));
      words += "\" y=\"";
      put_pixels(words, bottom + 13);
      words += "\" text-anchor=\"middle\">";
      put_xml(words, time_words(t, i * tick));
      words += "</text>";
    }
    put("\"/>"), put(words), put("</g>\n<g class=\"l\">");
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool compute = rows[i].on == lane::compute;
      put(compute ? "<text x=\"" : "<text class=\"q\" x=\"");
      number(left - 8), put("\" y=\""), number(tops[i] + high / 2 + 4), put("\">");
      put(compute ? "rank " + std::to_string(rows[i].rank) : name_of_lane(rows[i].on)), put("</text>");
    }
    put("</g>\n");
  }

  void row(int index) {
    const lane_row& at = rows[static_cast<std::size_t>(index)];
    std::vector<std::vector<const drawn_action*>> by_shade(shades.size());
    for (const drawn_action& d : t.actions) {
      if (d.rank != at.rank || d.on != at.on) continue;
      for (std::size_t s = 0; s < shades.size(); ++s)
        if (shades[s].pass == d.pass && shades[s].chunk == d.chunk) by_shade[s].push_back(&d);
    }
    put("<g transform=\"translate("), number(left), put(" "), number(tops[static_cast<std::size_t>(index)]), put(")\">\n");
    for (std::size_t s = 0; s < shades.size(); ++s) {
      if (by_shade[s].empty()) continue;
      put("<g class=\"p" + number_of(shades[s]) + "\">");
      for (const drawn_action* d : by_shade[s]) box(*d);
      put("</g>\n");
      const std::size_t before = out.size();
      const bool white = colour_of(shades[s].pass, shades[s].chunk, t.chunks).takes_white_text();
      put(white ? "<g class=\"n w\">" : "<g class=\"n\">");
      const std::size_t empty = out.size();
      for (const drawn_action* d : by_shade[s]) label(*d);
      if (out.size() == empty) out.resize(before);
      else put("</g>\n");
    }
    put("</g>\n");
    const bool last = index + 1 == static_cast<int>(rows.size()) || rows[static_cast<std::size_t>(index) + 1].rank != at.rank;
    if (last && how.memory) memory(at.rank, tops[static_cast<std::size_t>(index)] + high + gap);
  }

  void box(const drawn_action& d) {
    const double x = scale * d.start, w = (std::max)(0.6, scale * (d.end - d.start) - (std::min)(1.0, 0.15 * scale * (d.end - d.start)));
    put("<rect x=\""), number(x), put(d.half == 2 ? "\" y=\"12.5\" width=\"" : "\" width=\""), number(w);
    put("\" height=\""), put(d.half == 0 ? "24" : "11.5"), put("\"><title>");
    put_xml(out, d.name + " " + time_words(t, d.start) + " to " + time_words(t, d.end));
    put("</title></rect>");
  }

  void label(const drawn_action& d) {
    const double w = scale * (d.end - d.start);
    if (d.label.empty() || w < letter * static_cast<double>(d.label.size()) + 2) return;
    put("<text x=\""), number(scale * d.start + w / 2), put("\" y=\""), put(d.half == 0 ? "16" : d.half == 1 ? "9.7" : "22.2");
    put("\">"), put_xml(out, d.label), put("</text>");
  }

  void memory(int rank, double y) {
    double peak = 0;
    for (const drawn_rank& r : t.of_rank) peak = (std::max)(peak, r.peak);
    const drawn_rank& r = t.of_rank[static_cast<std::size_t>(rank)];
    put("<path class=\"m\" d=\"M"), number(left), put(" "), number(y + curve);
    for (const level& l : r.memory) put("H"), number(x_of(l.from)), put("V"), number(y + curve - (peak > 0 ? curve * l.held / peak : 0));
    put("H"), number(x_of(t.makespan)), put("V"), number(y + curve), put("z\"><title>");
    put_xml(out, "rank " + std::to_string(rank) + " holds at most " + words_of(r.peak)), put("</title></path>\n");
    put("<text class=\"q\" text-anchor=\"end\" x=\""), number(left - 8), put("\" y=\""), number(y + curve / 2 + 4), put("\">\u2264 " + words_of(r.peak)), put("</text>\n");
  }

  static std::string words_of(double v) {
    std::string s;
    put_number(s, v, 4);
    return s;
  }

  double middle(const drawn_action& d) const {
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (rows[i].rank == d.rank && rows[i].on == d.on) return tops[i] + (d.half == 1 ? high / 4 : d.half == 2 ? 3 * high / 4 : high / 2);
    return top;
  }

  double below(const drawn_action& d) const { return middle(d) + (d.half == 1 ? 3 * high / 4 : d.half == 2 ? high / 4 : high / 2) + 1; }

  void messages() {
    put("<path class=\"s\" d=\"");
    for (const drawn_message& m : t.messages) {
      const drawn_action &a = t.actions[static_cast<std::size_t>(m.from)], &b = t.actions[static_cast<std::size_t>(m.to)];
      put("M"), number(x_of(a.end)), put(" "), number(middle(a)), put("L"), number(x_of(b.start)), put(" "), number(middle(b));
    }
    put("\"/>\n");
  }

  /// Bars under the boxes of the critical path, and dashes from rank to rank.
  void critical() {
    std::vector<const drawn_action*> path;
    for (const drawn_action& d : t.actions)
      if (d.critical) path.push_back(&d);
    if (path.empty()) return;
    std::stable_sort(path.begin(), path.end(), [](const drawn_action* a, const drawn_action* b) { return a->start < b->start || (a->start == b->start && a->end < b->end); });
    put("<path class=\"c\" d=\"");
    for (const drawn_action* d : path)
      if (d->end > d->start)
        put("M"), number(x_of(d->start)), put(" "), number(below(*d)), put("h"), number(scale * (d->end - d->start)), put("v3h"), number(-scale * (d->end - d->start)), put("z");
    put("\"/>\n<path class=\"e\" d=\"");
    for (std::size_t i = 1; i < path.size(); ++i) {
      const drawn_action &a = *path[i - 1], &b = *path[i];
      if (a.rank != b.rank || a.on != b.on) put("M"), number(x_of(a.end)), put(" "), number(middle(a)), put("L"), number(x_of(b.start)), put(" "), number(middle(b));
    }
    put("\"/>\n");
  }

  /// Walks along the legend: calls item(x, y, shades of one pass), or with none for the critical path; gives the lines.
  template <class Item>
  int each_key(Item&& item) const {
    double x = left;
    int line = 0;
    const auto one = [&](std::vector<shade> of, std::size_t letters) {
      const double wide = 12 * static_cast<double>(std::max<std::size_t>(1, of.size())) + 5 + letter * static_cast<double>(letters) + 16;
      if (x > left && x + wide > width) x = left, ++line;
      item(x, bottom + 28 + 19 * line, of);
      x += wide;
    };
    for (std::size_t i = 0; i < shades.size();) {
      std::vector<shade> of;
      for (const pass_id pass = shades[i].pass; i < shades.size() && shades[i].pass == pass; ++i) of.push_back(shades[i]);
      one(of, t.passes[of[0].pass].size());
    }
    bool any = false;
    for (const drawn_action& d : t.actions) any = any || d.critical;
    if (any && how.critical) one({}, 13);
    return line + 1;
  }

  void legend() {
    each_key([&](double x, double y, const std::vector<shade>& of) {
      for (std::size_t i = 0; i < of.size(); ++i)
        put("<path class=\"p" + number_of(of[i]) + "\" d=\"M"), number(x + 12 * static_cast<double>(i)), put(" "), number(y),
            put("h12v12h-12z\"/>");
      if (of.empty()) put("<path class=\"c\" d=\"M"), number(x), put(" "), number(y + 5), put("h12v3h-12z\"/>");
      put("<text x=\""), number(x + 12 * static_cast<double>(std::max<std::size_t>(1, of.size())) + 5), put("\" y=\""), number(y + 10), put("\">");
      put_xml(out, of.empty() ? "critical path" : t.passes[of[0].pass]), put("</text>\n");
    });
  }

  const timeline& t;
  const svg_options& how;
  std::vector<lane_row> rows;
  std::vector<shade> shades;
  std::vector<double> tops;
  std::string out;
  double left = 0, scale = 1, width = 0, bottom = 0;
};

}  // namespace detail

/// The timeline as SVG. Throws stretto::error where it has more than 200,000 actions.
inline std::string to_svg(const timeline& t, const svg_options& how = {}) {
  detail::refuse_crowd(t.actions.size());
  return detail::svg_drawing(t, how).draw();
}

}  // namespace stretto::inline v0
