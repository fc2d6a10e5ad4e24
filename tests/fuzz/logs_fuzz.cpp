// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any bytes at all go into the reader as the logs of several ranks, one behind the other. What can be read of them must be
// explained, and merged or refused in a sentence, however little the logs have to do with each other.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <stretto/explain.hpp>

namespace {

void require_that(bool holds) {
  if (!holds) std::abort();
}

/// Whether what throws stretto::error says it in a sentence, and whether nothing was thrown.
template <class Act>
bool done(Act&& act) {
  try {
    act();
    return true;
  } catch (const stretto::error& e) {
    require_that(std::string_view(e.what()).substr(0, 9) == "stretto: ");
    return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stretto;
  constexpr std::string_view last = "\nend\n";
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<rank_log> logs;
  while (logs.size() < 4) {
    const std::size_t end = rest.find(last);
    if (end == std::string_view::npos) break;
    const std::string_view one = rest.substr(0, end + last.size());
    rest.remove_prefix(one.size());
    done([&] { logs.push_back(read_dump(one)); });
    if (!logs.empty() && logs.back().ranks > 64) return 0;
  }
  if (logs.empty()) return 0;
  done([&] { require_that(!explain_hang(logs).words.empty()); });
  run_log all;
  if (!done([&] { all = merge_logs(logs); })) return 0;
  for (const merged_step& s : all.steps) {
    const program& work = all.work(s);
    const std::vector<recording> steps(1, s.times);
    done([&] { to_table(bubbles_of(work, s.times)); });
    done([&] { to_text(stragglers_of(work, steps, {.cut = all.find_order(s.order)->cut})); });
  }
  return 0;
}
