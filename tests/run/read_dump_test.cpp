// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The reader of logs: what it takes, and that whatever else stands there is refused with its place.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include <stretto/run/explain_hang.hpp>
#include <stretto/run/log_writer.hpp>
#include <stretto/run/merge_logs.hpp>
#include <stretto/run/read_dump.hpp>
#include <stretto/schedule.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

std::string content(const std::string& name) {
  std::ifstream in(std::string(STRETTO_TESTS_DIR) + "/fuzz/corpus/dump/" + name);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  REQUIRE_FALSE(text.empty());
  return text;
}

/// What is said of the log with one piece of it replaced.
std::string told(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  text.replace(at, what.size(), by);
  return sweep::thrown([&] { read_dump(text); });
}

std::string at(int line, int column, const std::string& why) {
  return "stretto: line " + std::to_string(line) + " column " + std::to_string(column) + " of a rank's log: " + why + "; give the file as it was written";
}

}  // namespace

TEST_CASE("logs of several orders, and of several routes, are read") {
  const rank_log log = read_dump(content("two_orders.log"));
  CHECK(log.rank == 0);
  CHECK(log.ranks == 2);
  CHECK(log.host == "host");
  CHECK(log.done == 1);
  REQUIRE(log.orders.size() == 2);
  CHECK(log.find_order(0)->work.stages == 4);
  CHECK(log.find_order(0)->steps.size() == 1);
  CHECK(log.find_order(1)->steps.empty());
  CHECK(log.find_order(2) == nullptr);
  const rank_log routed = read_dump(content("two_routes.log"));
  CHECK(routed.orders[0].work.routes == 2);
  CHECK(plan_view(routed.orders[0].work).route_of(3).rank_of(0) == 1);
  const rank_log stalled = read_dump(content("stalled.log"));
  CHECK(stalled.now.entry == 17);
  CHECK(stalled.error.rfind("stretto: rank 3 waited 1000 ms for what step 9 (3F2) needs", 0) == 0);
  CHECK(step_now(stalled)->number == 4);
  CHECK(explain_hang({&stalled, 1}).kind == hang_kind::died);  // of the others there is no log
}

TEST_CASE("a log that isn't whole is refused wherever it ends") {
  const std::string whole = content("two_orders.log");
  for (std::size_t n = 0; n < whole.size(); ++n)
    if (sweep::thrown([&] { read_dump(whole.substr(0, n)); }).rfind("stretto: line ", 0) != 0) FAIL("the first " << n << " characters were read");
  CHECK(sweep::thrown([&] { read_dump(whole + "\n"); }).find("more stands behind the end") != std::string::npos);
}

TEST_CASE("what is wrong in a log is told with its place") {
  const std::string whole = content("two_orders.log");
  CHECK(told(whole, "stretto log 1", "stretto log 2") == at(1, 1, "'stretto log 1' is needed here"));
  CHECK(told(whole, "rank 0 2", "rank 2 2") == at(2, 1, "the rank isn't one of those that it counts"));
  CHECK(told(whole, "rank 0 2", "rank  0 2") == at(2, 6, "a number is needed here"));
  CHECK(told(whole, "rank 0 2", "rank 0 2 ") == at(2, 9, "the line goes on where it should end"));
  CHECK(told(whole, "rank 0 2", "rank 0-2") == at(2, 7, "a blank is needed here"));
  CHECK(told(whole, "rank 0 2", "rank -1 2") == at(2, 8, "-1 stands where 0 to 999999999 is needed"));
  CHECK(told(whole, "asked 1 1", "asked 99999999999999999999 1") == at(6, 25, "the number has more than 64 bits"));
  CHECK(told(whole, "asked 1 1", "asked 1 9223372036854775807") == at(6, 28, "9223372036854775807 stands where 0 to 576460752303423488 is needed"));
  CHECK(told(whole, "asked 1 1", "asked -1 1") == at(6, 9, "-1 stands where 0 to 576460752303423488 is needed"));
  CHECK(told(whole, "step 1 0 0 ", "step 0 0 0 ").find("0 stands where 1 to 576460752303423488 is needed") != std::string::npos);
  CHECK(told(whole, "step 1 0 0 ", "step 1 9223372036854775807 0 ").find("9223372036854775807 stands where 0 to ") != std::string::npos);
  CHECK(told(content("stalled.log"), "now 0 3 17 -1", "now 0 -3 17 -1").find("-3 stands where 0 to 576460752303423488 is needed") != std::string::npos);
  CHECK(told(whole, "bound 5", "bound 5000000").find("the time is out of range") != std::string::npos);
  CHECK(told(whole, "e 0 5157447027645 5157447028547", "e 0 5157447027645 5").find("the step's times aren't in order") != std::string::npos);
  CHECK(told(whole, "step 1 0 0 5157447012262 5157447026373", "step 1 0 0 5157447012262 5").find("the step's times aren't in order") != std::string::npos);
  CHECK(told(whole, " host\n", " \n").find("a name is needed here") != std::string::npos);
  CHECK(told(whole, " host\n", " ho%st\n").find("two digits of 0 to F are needed behind %") != std::string::npos);
  CHECK(told(whole, " host\n", " ho%2\n").find("two digits of 0 to F are needed behind %") != std::string::npos);
  CHECK(told(whole, " host\n", " ho%2f\n").find("two digits of 0 to F are needed behind %") != std::string::npos);
  CHECK(told(whole, " host\n", " ho%00\n").find("a name has no letter 00") != std::string::npos);
  CHECK(told(whole, " 0F0 ", " 0%460 ").find("'' is no pass or message of the program") != std::string::npos);
  CHECK(told(whole, "order 0 1", "order 1 1").find("order 1 stands there twice") != std::string::npos);
  CHECK(told(whole, "sizes 2 4 2 1", "sizes 3 4 2 1").find("the program is of 3 ranks and the log of 2") != std::string::npos);
  CHECK(told(whole, "sizes 2 4 2 1", "sizes 2 4 99999999 1").find("the file is too short for so many stages, micro-batches or slices") != std::string::npos);
  CHECK(told(whole, "sizes 2 4 2 1", "sizes 2 4 2 2000").find("the lists are too short for so many stages, micro-batches and slices") != std::string::npos);
  CHECK(told(whole, "route 0@0 1@1", "route 0@0 0@1").find("a route passes stage 0 twice") != std::string::npos);
  CHECK(told(whole, "route 0@0 1@1 2@0 3@1", "route").find("a route passes no stage") != std::string::npos);
  CHECK(told(whole, "route 0@0 1@1 2@0 3@1\n", "").find("a program has at least one route") != std::string::npos);
  CHECK(told(content("two_routes.log"), "of 0 0 1 1", "of 0 0 1").find("each micro-batch has a route, and here are 3") != std::string::npos);
  CHECK(told(whole, "0SEND_F0>1", "0SEND_X0>1").find("'SEND_X' is no pass or message of the program") != std::string::npos);
  CHECK(told(whole, " 0F0 ", " ").find("the program isn't one that runs (missing: rank 0 lacks 0F0") != std::string::npos);
  CHECK(told(whole, "done 1\n", "done\n").find("a blank is needed here") != std::string::npos);
  const std::size_t step = whole.find("step 1 0 0 "), end = whole.find("done 1\n") + 7;
  REQUIRE(end > step);
  const std::string one = whole.substr(step, end - step);
  std::string nine = whole;
  nine.insert(end, one);
  CHECK(sweep::thrown([&] { read_dump(nine); }).find("step 1 stands there twice") != std::string::npos);
  nine = whole;
  for (int i = 0; i < 8; ++i) {
    std::string another = one;
    another.replace(0, 6, "step " + std::to_string(i + 2));
    another.replace(another.size() - 2, 1, std::to_string(i + 2));
    nine.insert(end, another);
  }
  CHECK(sweep::thrown([&] { read_dump(nine); }).find("a log keeps eight steps of an order") != std::string::npos);
  std::string torn = whole;
  torn.replace(torn.find("done 1\n"), 7, "done 9\n");  // the rank had gone on, so times may be of another step
  torn.replace(torn.find("e 0 5157447027645 5157447028547"), 31, "e 0 5157447027645 5");
  CHECK(read_dump(torn).find_order(0)->steps.empty());
  const std::size_t put = one.find("\np 0 ");
  REQUIRE(put != std::string::npos);
  CHECK(told(whole, one.substr(put, one.find(' ', put + 5) - put), "\np 0 7").find("7 is no micro-batch and slice of the program") != std::string::npos);
  CHECK(told(content("stalled.log"), "now 0 3 17 -1", "now 0 3 99 -1").find("the rank is at entry 99 and its list is shorter") != std::string::npos);
  std::string many = whole;
  for (int i = 0; i < 30; ++i) many.insert(many.find("pass F "), "pass - 0 0 0 0 0 -1\n");
  CHECK(sweep::thrown([&] { read_dump(many); }).find("a graph has at most 24 passes") != std::string::npos);
  many = whole;
  for (int i = 0; i < 50; ++i) many.insert(many.find("edge F "), "edge - 0 0 0 0 -1 -1\n");
  CHECK(sweep::thrown([&] { read_dump(many); }).find("an edge table has at most 48 rows") != std::string::npos);
}

namespace {

/// The log of a rank that was bound to a program and has done nothing.
std::string written(const program& work, const std::string& host) {
  detail::run_record all;
  detail::rank_record one;
  detail::order_record bound;
  const flow tables;
  all.ranks = work.ranks, all.host = host, all.run = 1, bound.work = &work, bound.tables = &tables;
  all.add(bound, 0);
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  {
    detail::log_stream out(fileno(file));
    detail::add_log(out, all, one);
  }
  all.remove_all();
  std::fseek(file, 0, SEEK_END);
  std::string text(static_cast<std::size_t>(std::ftell(file)), ' ');
  std::rewind(file);
  REQUIRE(std::fread(text.data(), 1, text.size(), file) == text.size());
  std::fclose(file);
  return text;
}

}  // namespace

TEST_CASE("names of hosts and plans are read back, whatever letters they have") {
  program work;
  static_cast<plan&>(work) = lower(make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 12}));
  const auto reads = [&](const std::string& name) {
    work.name = label(name);
    const std::string text = written(work, name);
    const rank_log log = read_dump(text);
    bool same = log.host == name && log.orders[0].work.name == work.name;
    for (const char c : text) same = same && (c == '\n' || (c >= ' ' && c <= '~'));
    return same;
  };
  CHECK(written(work, "here").find("\nname 1f1b\n") != std::string::npos);
  for (const char* name : {"", "my 1F1B", "-", "--", "- ", "%", "%20", "100%", "gr\303\266\303\237e", "two\nlines", "sizes"}) {
    INFO(name);
    CHECK(reads(name));
  }
  for (int c = 1; c < 256; ++c)
    if (!reads({'a', static_cast<char>(c), 'b'}) || !reads({static_cast<char>(c)})) FAIL("letter " << c);
  work.name = "my 1F1B";
  CHECK(written(work, "").find("\nname my%201F1B\n") != std::string::npos);
  CHECK(told(written(work, ""), "\npass UNSHARD ", "\npass %07N ").find("(bad graph: pass ?N has a name that isn't capital letters and _, or begins with SEND_ or RECV_; ") != std::string::npos);
}

TEST_CASE("no small log keeps anybody busy with ranks that it only counts") {
  const std::string head = "stretto log 1\nrank 0 ", rest = "\nprocess 1 vm\nclock 2000 2000 0 0\nbound 1 7\nasked 1 1\nend\n";
  const rank_log most = read_dump(head + "65536" + rest);
  CHECK(merge_logs({&most, 1}).ranks == 65536);
  const hang_report why = explain_hang({&most, 1});
  CHECK(why.kind == hang_kind::died);
  CHECK(why.rank == 1);
  for (const char* more : {"65537", "100000", "999999999"})
    CHECK(sweep::thrown([&] { read_dump(head + more + rest); }).find("a log without orders is of at most 65536 ranks; give the file") != std::string::npos);
}

TEST_CASE("a log and another one of equal actions that are split otherwise aren't merged") {
  const std::string both = content("../logs/split_otherwise.logs");
  const std::size_t end = both.find("\nend\n") + 5;
  const std::vector<rank_log> logs{read_dump(both.substr(0, end)), read_dump(both.substr(end))};
  CHECK_FALSE(explain_hang(logs).hangs());
  CHECK(sweep::thrown([&] { merge_logs(logs); }) == "stretto: order 0 of rank 1 is another program than that of rank 0; give the logs of one run, written after the same rebind");
}
