// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any bytes at all go into the CSV reader. A refusal must be a sentence with a place; what is read must survive being
// written and read again, unless it lacks something; and the check must come to a verdict in words under every link model.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <stretto/stretto.hpp>

namespace {

void require_that(bool holds) {
  if (!holds) std::abort();
}

void require_sentence(std::string_view s) {
  require_that(s.substr(0, 9) == "stretto: ");
  require_that(s.size() > 20 && s.size() < 4000);
  for (char c : s) require_that(c >= ' ' && c <= '~');
}

void judge(const stretto::plan& p, stretto::link_model m) {
  const stretto::verdict v = stretto::check(p, m);
  if (v.ok())
    require_that(v.sentence().empty());
  else
    require_sentence(v.sentence());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stretto;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const csv_result read = read_csv(source);
  if (!read.ok()) {
    require_sentence(read.sentence());
    require_that(read.line >= 1 && read.column >= 1);
    return 0;
  }
  const plan p = make_plan(read.value);
  const std::string written = to_csv(p);
  const csv_result again = read_csv(written);
  require_that(again.ok());
  // A micro-batch that only a route names may stand in no list; then it isn't in the text either.
  const bool routed = source.find("route") != std::string_view::npos;
  require_that(to_csv(make_plan(again.value)) == written || (routed && !check(p, links::buffered).ok()));
  for (const link_model m : {links::by_plan, links::buffered, links::bounded<0>, links::bounded<1>, links::grouped, links::rendezvous, links::single_fifo})
    judge(p, m);
  if (!check(p, links::buffered).ok()) return 0;
  simulate(p);
  if (p.lowered) return 0;
  const program q = lower(p);
  require_that(check(q).ok());
  require_that(simulate(q).makespan == simulate(p).makespan);
  return 0;
}
