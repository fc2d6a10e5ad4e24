// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads a rank's log (log_writer.hpp) again. It is strict: whatever isn't in the grammar is an error with line and column,
// and so is a program that check refuses.
//
//     log     := "stretto log 1" rank process clock bound asked [error] ["threw"] [now] order… "end"      a line each
//     order   := order cut name sizes pass… edge… route… [of] group… list… channel… step…
//     list    := "list" { stage NAME [micro-batch] [s slice] [> stage | < stage] }      one a rank: 2F5 2SEND_F5>3 2RECV_B5<3
//     step    := step { e | p | t } "done"        entries, messages put, messages taken; another number behind done: it is dropped
// Numbers are decimal; real ones are written as their 64 bits. In a name, letters that would end it are written as %20, and
// no name as -. Cost: O(characters).
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/check.hpp>
#include <stretto/plan/draft.hpp>
#include <stretto/run/rank_log.hpp>

namespace stretto::inline v0 {

namespace detail {

class log_reader {
 public:
  explicit log_reader(std::string_view source) : in_(source) {}

  rank_log read() {
    need_line(R"(stretto log 1)");
    word("rank"), log_.rank = small_number(0, most), log_.ranks = small_number(1, most), next();
    if (log_.rank >= log_.ranks) fail_line("the rank isn't one of those that it counts");
    word("process"), log_.process = number(), log_.host = name(), next();
    word("clock"), log_.clock = time(), log_.wall = number(), log_.offset = time(true), log_.uncertainty = time(true), next();
    word("bound"), log_.bound = time(), log_.run = number(), next();
    word("asked"), log_.asked = count(), log_.done = count(), next();
    if (begins("error ")) log_.error = rest(6);
    if (begins("threw\n")) log_.threw = true, at_ += 5, next();
    if (begins("now ")) {
      word("now"), log_.now.order = small_number(0, most), log_.now.index = count();
      log_.now.entry = small_number(-1, most), log_.now.layer = small_number(-1, most), next();
    }
    while (begins("order ")) order();
    need_line("end");
    if (at_ < in_.size()) fail("more stands behind the end");
    settle();
    return std::move(log_);
  }

 private:
  static constexpr int most = 999'999'999;
  static constexpr int most_unseen = 65'536;  // ranks of a run whose program isn't there
  static constexpr std::int64_t longest = std::int64_t{1} << 59;  // 18 years, so that sums of a few don't run over

  [[noreturn]] void fail_at(std::size_t line, std::size_t column, const text& why) const {
    text words("stretto: line ", static_cast<std::int64_t>(line), " column ", static_cast<std::int64_t>(column), " of a rank's log: ");
    for (const char c : why.str()) words.add(c >= ' ' && c <= '~' ? c : '?');  // names may have any letters
    throw error(words.add("; give the file as it was written").str(),
                {.line = static_cast<int>(line), .column = static_cast<int>(column)});
  }
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... why) const {
    fail_at(line_, at_ - line_begin_ + 1, text(why...));
  }
  template <class... Parts>
  [[noreturn]] void fail_line(const Parts&... why) const {
    fail_at(line_ > 1 ? line_ - 1 : 1, 1, text(why...));
  }

  char peek() const { return at_ < in_.size() ? in_[at_] : '\0'; }
  bool begins(std::string_view s) const { return in_.substr(at_, s.size()) == s; }
  void next() {
    if (peek() != '\n') fail("the line goes on where it should end");
    ++at_, ++line_, line_begin_ = at_;
  }
  void need_line(std::string_view s) {
    word(s), next();
  }
  void word(std::string_view s) {
    if (!begins(s)) fail("'", s, "' is needed here");
    at_ += s.size();
  }
  std::string rest(std::size_t skip) {
    at_ += skip;
    const std::size_t from = at_;
    while (peek() >= ' ' && peek() <= '~') ++at_;
    std::string all(in_.substr(from, at_ - from));
    next();
    return all;
  }
  void blank() {
    if (peek() != ' ') fail("a blank is needed here");
    ++at_;
  }
  bool ends() const { return peek() == '\n'; }

  std::string name() {
    blank();
    const std::size_t from = at_;
    std::string found;
    while (peek() > ' ' && peek() <= '~') found += letter();
    if (found.empty()) fail("a name is needed here");
    return in_.substr(from, at_ - from) == "-" ? std::string() : found;
  }
  /// A letter of a name: itself, or % and its number.
  char letter() {
    const char c = peek();
    ++at_;
    if (c != '%') return c;
    int n = 0;
    for (int i = 0; i < 2; ++i, ++at_) {
      const char d = peek();
      const int digit = d >= '0' && d <= '9' ? d - '0' : d >= 'A' && d <= 'F' ? d - 'A' + 10 : -1;
      if (digit < 0) fail("two digits of 0 to F are needed behind %");
      n = 16 * n + digit;
    }
    if (n == 0) fail("a name has no letter 00");
    return static_cast<char>(n);
  }
  std::int64_t digits() {
    const bool minus = peek() == '-';
    at_ += minus ? 1 : 0;
    if (peek() < '0' || peek() > '9') fail("a number is needed here");
    std::uint64_t n = 0;
    const std::uint64_t limit = (std::uint64_t{1} << 63) - (minus ? 0 : 1);
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      const auto digit = static_cast<std::uint64_t>(peek() - '0');
      if (n > (limit - digit) / 10) fail("the number has more than 64 bits");
      n = 10 * n + digit;
    }
    return static_cast<std::int64_t>(minus ? 0 - n : n);
  }
  std::int64_t number() {
    blank();
    return digits();
  }
  int in_range(std::int64_t n, int least, int largest) const {
    if (n < least || n > largest) fail(n, " stands where ", least, " to ", largest, " is needed");
    return static_cast<int>(n);
  }
  int small_number(int least, int largest) { return in_range(number(), least, largest); }
  /// Of steps or bytes.
  std::int64_t count(std::int64_t least = 0) {
    const std::int64_t n = number();
    if (n < least || n > longest) fail(n, " stands where ", least, " to ", longest, " is needed");
    return n;
  }
  /// Nanoseconds.
  std::int64_t time(bool may_be_before = false) {
    const std::int64_t t = number();
    if (t > longest || t < (may_be_before ? -longest : 0)) fail("the time is out of range");
    return t;
  }
  double real() { return std::bit_cast<double>(number()); }
  template <class Enumeration>
  Enumeration one_of(Enumeration last) { return static_cast<Enumeration>(small_number(0, static_cast<int>(last))); }

  void order() {
    logged_order o;
    word("order"), o.order = small_number(0, most), o.trains = small_number(0, 1) != 0, next();
    for (const logged_order& other : log_.orders)
      if (other.order == o.order) fail_line("order ", o.order, " stands there twice");
    word("cut");
    while (!ends()) o.cut.push_back(small_number(0, most));
    next();
    draft d;
    d.kinds = graph();
    word("name");
    const label called = label(name());
    next(), word("sizes");
    const int ranks = small_number(1, most), stages = small_number(1, most);
    d.stage_count = stages, d.micro_batch_count = small_number(1, most), d.slice_count = small_number(1, 65535), next();
    // What is named is bounded by what is there, so that no small file asks for much memory.
    const auto room = static_cast<std::int64_t>(in_.size());
    if (stages > room || d.micro_batch_count > room || d.slice_count > room) fail_line("the file is too short for so many stages, micro-batches or slices");
    if (ranks != log_.ranks) fail_line("the program is of ", ranks, " ranks and the log of ", log_.ranks);
    graph_rows(d.kinds);
    routes(d, ranks);
    std::int64_t entries = 0;
    for (int r = 0; r < ranks; ++r) {
      word("list");
      d.order_of.emplace_back();
      while (!ends()) d.order_of.back().push_back(cell(d.kinds));
      entries += static_cast<std::int64_t>(d.order_of.back().size());
      next();
    }
    if (stages > entries + 1 || d.micro_batch_count > entries + 1 || d.slice_count > entries + 1 || stages * static_cast<std::int64_t>(d.hops_of.size()) > 64 * room)
      fail_line("the lists are too short for so many stages, micro-batches and slices");
    const sizes z = d.own_sizes();
    if (const refusal why = d.refuses(z)) fail_line("the program can't be: ", why.why);
    static_cast<plan&>(o.work) = make_plan(d, z);
    o.work.lowered = true, o.work.name = called;
    if (const verdict v = check(o.work, links::buffered); !v.ok()) fail_line("the program isn't one that runs (", v.sentence().substr(9), ")");
    channels(o);
    for (int kept = 0; begins("step "); ++kept) {
      if (kept == 8) fail("a log keeps eight steps of an order");
      step(o);
    }
    auto place = log_.orders.end();
    while (place != log_.orders.begin() && (place - 1)->order > o.order) --place;
    log_.orders.insert(place, std::move(o));
  }

  void graph_rows(graph& g) {
    while (begins("pass ")) {
      if (g.pass_count == graph::max_passes) fail("a graph has at most 24 passes");
      pass_kind k;
      word("pass"), k.name = label(name());
      k.on = one_of(lane::collective), k.by = one_of(scope::rank), k.per = one_of(share::step), k.how_often = one_of(times::any);
      k.covers = static_cast<std::uint32_t>(small_number(0, (1 << graph::max_passes) - 1)), k.group = small_number(-1, most), next();
      g.add(k);
    }
    while (begins("edge ")) {
      if (g.edge_count == graph::max_edges) fail("an edge table has at most 48 rows");
      edge e;
      word("edge"), e.message = label(name());
      e.consumer = static_cast<pass_id>(small_number(0, 255)), e.how = one_of(relation::skip), e.producer = static_cast<pass_id>(small_number(0, 255));
      e.at = one_of(hops::last), e.from = small_number(-1, most), e.to = small_number(-1, most), next();
      g.add(e);
    }
  }

  void routes(draft& d, int ranks) {
    std::vector<int> passed(static_cast<std::size_t>(d.stage_count), 0);  // by which route last
    while (begins("route")) {
      word("route");
      d.hops_of.emplace_back();
      const auto index = static_cast<int>(d.hops_of.size());
      while (!ends()) {
        hop h;
        h.stage = small_number(0, d.stage_count - 1);
        word("@"), h.rank = in_range(digits(), 0, ranks - 1);
        int& last = passed[static_cast<std::size_t>(h.stage)];
        if (last == index) fail("a route passes stage ", h.stage, " twice");
        last = index;
        d.hops_of.back().push_back(h);
      }
      if (d.hops_of.back().empty()) fail("a route passes no stage");
      next();
    }
    if (d.hops_of.empty()) fail("a program has at least one route");
    if (d.hops_of.size() > 1) {
      word("of");
      while (!ends()) d.route_index.push_back(small_number(0, static_cast<int>(d.hops_of.size()) - 1));
      if (static_cast<int>(d.route_index.size()) != d.micro_batch_count) fail("each micro-batch has a route, and here are ", static_cast<std::int64_t>(d.route_index.size()));
      next();
    }
    while (begins("group")) {
      word("group");
      d.members_of.emplace_back();
      while (!ends()) d.members_of.back().push_back(small_number(0, ranks - 1));
      next();
    }
  }

  action cell(const graph& g) {
    action a{};
    a.stage = small_number(0, most);
    const std::size_t from = at_;
    while ((peek() >= 'A' && peek() <= 'Z') || peek() == '_') ++at_;
    const std::string_view called = in_.substr(from, at_ - from);
    int found = g.find(called);
    if (called.empty()) found = -1;
    if (found < 0 && (called.substr(0, 5) == "SEND_" || called.substr(0, 5) == "RECV_") && called.size() > 5) {
      found = g.find_message(called.substr(5));
      a.kind = called[0] == 'S' ? role::send : role::receive;
    }
    if (found < 0) {
      at_ = from;
      fail("'", called, "' is no pass or message of the program");
    }
    a.pass = static_cast<pass_id>(found);
    if (a.is_message() || g.passes[found].per != share::step) a.micro_batch = in_range(digits(), 0, most);
    if (peek() == 's') ++at_, a.slice = static_cast<std::uint16_t>(in_range(digits(), 1, 65534));
    if (a.is_message()) word(a.kind == role::send ? ">" : "<"), a.peer = in_range(digits(), 0, most);
    return a;
  }

  void channels(logged_order& o) {
    while (begins("channel ")) {
      channel_plan c;
      word("channel"), c.forward = small_number(0, 1) != 0, c.link = small_number(-1, most);
      c.from_stage = small_number(0, o.work.stages - 1), c.to_stage = small_number(0, o.work.stages - 1);
      c.from = small_number(0, o.work.ranks - 1), c.to = small_number(0, o.work.ranks - 1), c.objects = small_number(0, most), next();
      o.channels.push_back(c);
    }
  }

  void step(logged_order& o) {
    logged_step s;
    word("step"), s.number = count(1), s.request.index = count(), s.request.step = count(), s.asked = time(), s.begun = time(), s.ended = time();
    s.request.normalizer = real(), s.request.kind = count(), s.request.loss_scale = real(), s.request.most_norm = real(), s.request.most_loss = real(), next();
    const auto entries = static_cast<int>(o.work.order(log_.rank).count);
    const auto boxes = static_cast<std::int64_t>(o.work.micro_batches) * o.work.slices;
    s.times.resize(static_cast<std::size_t>(entries));
    const auto message = [&](const char* letter, bool has_bytes) {
      logged_message m;
      word(letter), m.channel = small_number(0, static_cast<int>(o.channels.size()) - 1), m.box = number();
      if (m.box < 0 || m.box >= boxes) fail(m.box, " is no micro-batch and slice of the program");
      m.when = time(), m.bytes = has_bytes ? count() : 0, next();
      return m;
    };
    bool in_order = (s.begun == 0 || s.begun >= s.asked) && (s.ended == 0 || s.ended >= s.begun);
    while (true) {
      if (begins("e ")) {
        word("e");
        logged_entry& t = s.times[static_cast<std::size_t>(small_number(0, entries - 1))];
        t.wait = time(), t.start = time(), t.end = time(), next();
        in_order = in_order && (t.start == 0 || t.start >= t.wait) && (t.end == 0 || t.end >= t.start);
      } else if (begins("p ")) {
        s.puts.push_back(message("p", true));
      } else if (begins("t ")) {
        s.takes.push_back(message("t", false));
      } else {
        break;
      }
    }
    word("done");
    const bool whole = number() == s.number;
    next();
    if (!whole) return;  // the rank had gone on to another step in the same row
    if (!in_order) fail_line("the step's times aren't in order");
    auto place = o.steps.end();
    while (place != o.steps.begin() && (place - 1)->number > s.number) --place;
    if (place != o.steps.begin() && (place - 1)->number == s.number) fail_line("step ", s.number, " stands there twice");
    o.steps.insert(place, std::move(s));
  }

  /// Where the rank is must be a place of its program, and there are as many ranks as lists.
  void settle() {
    if (log_.orders.empty() && log_.ranks > most_unseen) fail_line("a log without orders is of at most ", most_unseen, " ranks");
    if (log_.now.order < 0) return;
    const logged_order* const o = log_.find_order(log_.now.order);
    if (o == nullptr) log_.now = {};  // it was bound anew meanwhile
    else if (log_.now.entry >= o->work.order(log_.rank).count) fail_line("the rank is at entry ", log_.now.entry, " and its list is shorter");
  }

  std::string_view in_;
  std::size_t at_ = 0, line_begin_ = 0, line_ = 1;
  rank_log log_;
};

}  // namespace detail

/// The log that a text holds. Throws stretto::error, with line and column, where it is none.
inline rank_log read_dump(std::string_view source) { return detail::log_reader(source).read(); }

}  // namespace stretto::inline v0
