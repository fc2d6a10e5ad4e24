// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Commands that draw: svg, html and trace.
#pragma once

#include <stretto/draw/html.hpp>
#include <stretto/draw/svg.hpp>
#include <stretto/draw/timeline.hpp>
#include <stretto/draw/trace.hpp>

#include "choose.hpp"

namespace explore {

/// One picture into a file. `more` reads flags of the command alone.
template <class Draw>
int draw(arguments& a, const std::string& command, const std::string& flags, const std::function<void(arguments&)>& more, Draw&& to_text) {
  output out;
  const chosen c = choose(a, {command, flags + ", -o FILE", [&](arguments& words) {
                                out.read(words);
                                more(words);
                              }});
  out.write(to_text(stretto::make_timeline(c.plan, c.prices.costs, c.prices.holding)));
  return 0;
}

inline int svg(arguments& a) {
  stretto::svg_options how;
  const auto read = [&](arguments& words) {
    how.memory = words.flag("--held");
    how.messages = words.flag("--messages");
  };
  return draw(a, "svg", ", --held, --messages", read, [&](const stretto::timeline& t) { return stretto::to_svg(t, how); });
}
inline int html(arguments& a) {
  return draw(a, "html", "", [](arguments&) {}, [](const stretto::timeline& t) { return stretto::to_html(t); });
}
inline int trace(arguments& a) {
  return draw(a, "trace", "", [](arguments&) {}, [](const stretto::timeline& t) { return stretto::to_trace(t); });
}

}  // namespace explore
