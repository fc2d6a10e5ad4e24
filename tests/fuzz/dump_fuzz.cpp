// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any bytes at all go into the reader of ranks' logs. A refusal must be a sentence with a place; what is read must be
// explained, merged and measured without a fault.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include <stretto/explain.hpp>

namespace {

void require_that(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stretto;
  rank_log log;
  try {
    log = read_dump(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const error& e) {
    const std::string_view s = e.what();
    require_that(s.substr(0, 14) == "stretto: line " && s.size() < 4000);
    for (const char c : s) require_that(c >= ' ' && c <= '~');
    require_that(e.place().line >= 1 && e.place().column >= 1);
    return 0;
  }
  require_that(log.rank >= 0 && log.rank < log.ranks);
  if (log.ranks > 64) return 0;
  const std::span<const rank_log> logs(&log, 1);
  const hang_report why = explain_hang(logs);
  require_that(!why.words.empty());
  const run_log all = merge_logs(logs);
  for (const merged_step& s : all.steps) {
    try {
      const bubble_report b = bubbles_of(all.work(s), s.times);
      require_that(static_cast<int>(b.measured.size()) == log.ranks);
    } catch (const error& e) {  // a graph that can't be simulated
      require_that(std::string_view(e.what()).substr(0, 9) == "stretto: ");
    }
  }
  return 0;
}
