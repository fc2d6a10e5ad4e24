// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A timeline as one HTML page, or two side by side: foretold and measured. It needs no network and no other file.
//
//     std::ofstream("plan.html") << to_html(make_timeline(p));
//     std::ofstream("run.html") << to_html(foretold, &measured);      a pair of rows a rank, one time axis, a table of differences
// Each action is one rect of class "box"; pointing at it says what is known of it. The page zooms and moves, draws messages
// and memory, follows a micro-batch, and shows why each rank was idle. Its style and its script are page_*.hpp; the data
// goes in as JSON. Cost: about 60 bytes an action; 50,000 actions are 3 MB, which a browser shows in about a second.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <stretto/draw/escape.hpp>
#include <stretto/draw/page_controls.hpp>
#include <stretto/draw/page_plot.hpp>
#include <stretto/draw/page_style.hpp>
#include <stretto/draw/words.hpp>
#include <stretto/plan/colour.hpp>

namespace stretto::inline v0 {

namespace detail {

/// Puts a column of the page's data: value(item) of each item.
template <class Items, class Value>
void put_column(std::string& out, const char* name, const Items& items, Value&& value) {
  out += std::string("\"") + name + "\":[";
  const char* comma = "";
  for (const auto& item : items) {
    out += comma;
    put_number(out, value(item));
    comma = ",";
  }
  out += "],\n";
}

/// The data of one timeline: columns by action and by message, and a record a rank.
inline void put_run(std::string& out, const timeline& t) {
  using action_of = const drawn_action&;
  using message_of = const drawn_message&;
  out += "{\"title\":";
  put_json(out, t.title);
  out += ",\"words\":";
  put_json(out, sizes_in_words(t));
  out += ",\"unit\":";
  put_json(out, t.unit);
  out += std::string(",\"measured\":") + (t.measured ? "true" : "false") + ",\"makespan\":";
  put_number(out, t.makespan);
  out += ",\"usual\":";  // a duration that half of the actions have at least
  std::vector<double> lengths;
  for (action_of d : t.actions) lengths.push_back(d.end - d.start);
  const auto half = lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2);
  if (!lengths.empty()) std::nth_element(lengths.begin(), half, lengths.end());
  put_number(out, lengths.empty() ? 0.0 : *half);
  out += ",\n\"passes\":[";
  for (std::size_t k = 0; k < t.passes.size(); ++k) {
    if (k > 0) out += ',';
    put_json(out, t.passes[k]);
  }
  out += "],\n\"names\":";
  std::string names;
  for (action_of d : t.actions) names += (names.empty() ? "" : " ") + d.name;
  put_json(out, names);
  out += ",\n";
  std::vector<std::int64_t> begin(t.of_rank.size() + 1, 0);
  for (action_of d : t.actions) ++begin[static_cast<std::size_t>(d.rank) + 1];
  for (std::size_t r = 1; r < begin.size(); ++r) begin[r] += begin[r - 1];
  put_column(out, "begin", begin, [](std::int64_t v) { return v; });
  put_column(out, "lane", t.actions, [](action_of d) { return static_cast<int>(d.on); });
  put_column(out, "pass", t.actions, [](action_of d) { return static_cast<int>(d.pass); });
  put_column(out, "batch", t.actions, [](action_of d) { return d.micro_batch; });
  put_column(out, "chunk", t.actions, [](action_of d) { return d.chunk; });
  put_column(out, "half", t.actions, [](action_of d) { return d.half; });
  put_column(out, "start", t.actions, [](action_of d) { return d.start; });
  put_column(out, "end", t.actions, [](action_of d) { return d.end; });
  put_column(out, "waited", t.actions, [](action_of d) { return d.waited; });
  put_column(out, "after", t.actions, [](action_of d) { return d.after; });
  put_column(out, "slack", t.actions, [](action_of d) { return d.slack; });
  put_column(out, "critical", t.actions, [](action_of d) { return d.critical ? 1 : 0; });
  put_column(out, "message_from", t.messages, [](message_of m) { return m.from; });
  put_column(out, "message_to", t.messages, [](message_of m) { return m.to; });
  put_column(out, "sent", t.messages, [](message_of m) { return m.sent; });
  put_column(out, "taken", t.messages, [](message_of m) { return m.taken; });
  out += "\"ranks\":[";
  for (std::size_t r = 0; r < t.of_rank.size(); ++r) {
    const drawn_rank& rank = t.of_rank[r];
    if (r > 0) out += ",\n";
    const std::pair<const char*, double> facts[] = {{"{\"work\":", rank.work}, {",\"peak\":", rank.peak}, {",\"fill\":", rank.idle.fill}, {",\"wait\":", rank.idle.wait},
                                                    {",\"communication\":", rank.idle.communication}, {",\"drain\":", rank.idle.drain}, {",\"imbalance\":", rank.idle.imbalance}};
    for (const auto& [name, value] : facts) out += name, put_number(out, value);
    out += ",\"memory\":[";
    for (std::size_t i = 0; i < rank.memory.size(); ++i) {
      if (i > 0) out += ',';
      put_number(out, rank.memory[i].from), out += ',', put_number(out, rank.memory[i].held);
    }
    out += "]}";
  }
  out += "]}";
}

/// The colours of the passes: .b0_1 fills a box of pass 0 on chunk 1, .t0_1 its text.
inline void put_colours(std::string& out, const timeline& t) {
  for (const shade& one : shades_of(t)) {
    const colour c = colour_of(one.pass, one.chunk, t.chunks);
    out += ".b" + number_of(one) + "{fill:" + hex_of(c) + ";--own:" + hex_of(c) + "}svg text.t" + number_of(one) + (c.takes_white_text() ? "{fill:#fff}\n" : "{fill:#14181d}\n");
  }
}

}  // namespace detail

/// The page of a timeline, or of a run beside what was foretold of it. Throws stretto::error where there are more than
/// 200,000 actions, and where the two have different ranks or units of time.
inline std::string to_html(const timeline& foretold, const timeline* measured = nullptr) {
  detail::refuse_crowd(foretold.actions.size() + (measured != nullptr ? measured->actions.size() : 0));
  if (measured != nullptr) detail::refuse_unlike(foretold, *measured);
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>";
  detail::put_xml(out, foretold.title);
  out += "</title>\n<style>";
  out += detail::page_style;
  detail::put_colours(out, foretold);
  if (measured != nullptr) detail::put_colours(out, *measured);
  out += "</style>\n</head>\n<body>\n<h1>";
  detail::put_xml(out, foretold.title);
  out += "</h1>";
  out += detail::page_body;
  out += "<script type=\"application/json\" id=\"data\">\n{\"runs\":[\n";
  detail::put_run(out, foretold);
  if (measured != nullptr) {
    out += ",\n";
    detail::put_run(out, *measured);
  }
  out += "]}\n</script>\n<script>";
  out += detail::page_plot;
  out += detail::page_controls;
  out += "</script>\n</body>\n</html>\n";
  return out;
}

}  // namespace stretto::inline v0
