// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes what is recorded of a rank to a file, so that a signal handler may call it: nothing is allocated, nothing is locked,
// and all that it reads was made when the pipeline was bound.
//
//     stretto log 1                                       run/read_dump.hpp has the grammar, and reads it again
//     rank 2 4
//     clock 81523410771 1764403921000000000 -1250 480     steady, of the wall, what to add for rank 0's, how far off that may be
//     …
//     e 14 81523008114 81523010001 81523020433            an entry of the step's list: began to wait, to work, ended
//     end
// A rank may go on meanwhile: a step whose row was taken for another one is said to be torn, by its last line.
// Cost: a few hundred nanoseconds a line; a line an entry or message that was seen, and a word an action of the program.
#pragma once

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include <stretto/run/recorder.hpp>

namespace stretto::inline v0::detail {

/// Characters on their way to a file.
class log_stream {
 public:
  explicit log_stream(int file) : file_(file) {}
  log_stream(const log_stream&) = delete;
  ~log_stream() { flush(); }

  template <class... Parts>
  log_stream& add(const Parts&... parts) {
    (put(parts), ...);
    return *this;
  }
  /// Whether all was written.
  bool flush() {
    for (std::size_t at = 0; at < count_ && well_;) {
      const ssize_t n = ::write(file_, buffer_ + at, count_ - at);
      if (n > 0) at += static_cast<std::size_t>(n);
      else if (n == 0 || errno != EINTR) well_ = false;
    }
    count_ = 0;
    return well_;
  }

 private:
  void put(char c) {
    if (count_ == sizeof buffer_) flush();
    buffer_[count_++] = c;
  }
  void put(std::string_view s) {
    for (const char c : s) put(c);
  }
  void put(const char* s) { put(std::string_view(s)); }
  void put(int n) { put(static_cast<std::int64_t>(n)); }
  void put(std::int64_t n) {
    char digits[20];
    int many = 0;
    std::uint64_t rest = n < 0 ? 0 - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n);
    if (n < 0) put('-');
    do digits[many++] = static_cast<char>('0' + rest % 10);
    while ((rest /= 10) != 0);
    while (many > 0) put(digits[--many]);
  }

  int file_;
  bool well_ = true;
  std::size_t count_ = 0;
  char buffer_[4096];
};

/// A name as a word: letters that would end it, or that aren't ASCII, by their numbers (%20).
inline log_stream& add_name(log_stream& out, std::string_view name) {
  if (name.empty()) return out.add('-');
  for (const char c : name) {
    const auto n = static_cast<unsigned char>(c);
    if (n > ' ' && n <= '~' && c != '%' && name != "-") out.add(c);
    else out.add('%', "0123456789ABCDEF"[n / 16], "0123456789ABCDEF"[n % 16]);
  }
  return out;
}

/// An action as a log has it: 2F5s1, 2SEND_F5>3, 2RECV_F5<1.
inline void add_action(log_stream& out, const plan_view& p, const action& a) {
  const graph& g = *p.passes;
  out.add(a.stage);
  if (a.is_message()) out.add(a.kind == role::send ? "SEND_" : "RECV_", g.edges[a.pass].message.str());
  else out.add(g.passes[a.pass].name.str());  // check has seen to it that these are capital letters and _
  if (a.is_message() || g.passes[a.pass].per != share::step) out.add(a.micro_batch);
  if (a.slice > 0) out.add('s', static_cast<int>(a.slice));
  if (a.is_message()) out.add(a.kind == role::send ? '>' : '<', a.peer);
}

inline void add_graph(log_stream& out, const graph& g) {
  for (int k = 0; k < g.pass_count; ++k) {
    const pass_kind& kind = g.passes[k];
    add_name(out.add("pass "), kind.name);
    for (const int n : {static_cast<int>(kind.on), static_cast<int>(kind.by), static_cast<int>(kind.per), static_cast<int>(kind.how_often), static_cast<int>(kind.covers), kind.group}) out.add(' ', n);
    out.add('\n');
  }
  for (int e = 0; e < g.edge_count; ++e) {
    const edge& row = g.edges[e];
    add_name(out.add("edge "), row.message);
    for (const int n : {static_cast<int>(row.consumer), static_cast<int>(row.how), static_cast<int>(row.producer), static_cast<int>(row.at), row.from, row.to}) out.add(' ', n);
    out.add('\n');
  }
}

inline void add_program(log_stream& out, const plan_view& p) {
  add_name(out.add("name "), p.name);
  out.add("\nsizes ", p.ranks, ' ', p.stages, ' ', p.micro_batches, ' ', p.slices, '\n');
  add_graph(out, *p.passes);
  for (int i = 0; i < p.routes; ++i) {
    const route_view r = p.route(i);
    out.add("route");
    for (int s = r.first(); s >= 0; s = r.next(s)) out.add(' ', s, '@', r.rank_of(s));
    out.add('\n');
  }
  if (p.routes > 1) {
    out.add("of");
    for (int m = 0; m < p.micro_batches; ++m) out.add(' ', p.route_index(m));
    out.add('\n');
  }
  for (int i = 0; i < p.groups; ++i) {
    out.add("group");
    for (int k = 0; k < p.group_size(i); ++k) out.add(' ', p.group_member(i, k));
    out.add('\n');
  }
  for (int r = 0; r < p.ranks; ++r) {
    out.add("list");
    for (const action& a : p.order(r)) add_action(out.add(' '), p, a);
    out.add('\n');
  }
}

/// One kept step, as far as the rank has come.
inline void add_step(log_stream& out, const order_record& o, int rank, std::int64_t kept) {
  const step_note& s = o.steps[kept];
  const std::int64_t number = s.number.get();
  if (number == 0) return;
  const rank_notes& notes = o.ranks[static_cast<std::size_t>(rank)];
  const std::int64_t asked = s.asked.get(), begun = notes.begun[kept].get() >= asked ? notes.begun[kept].get() : 0;
  const auto of_step = [&](std::int64_t t) { return begun > 0 && t >= begun ? t : 0; };
  out.add("step");
  for (const std::int64_t n : {number, s.index.get(), s.step.get(), asked, begun, of_step(notes.ended[kept].get()), s.normalizer.get(), s.kind.get(), s.scale.get(), s.most_norm.get(), s.most_loss.get()}) out.add(' ', n);
  out.add('\n');
  const std::int64_t entries = plan_view(*o.work).order(rank).count;
  for (std::int64_t i = 0; begun > 0 && i < entries; ++i) {
    const entry_times& t = notes.times[static_cast<std::size_t>(kept * entries + i)];
    if (of_step(t.wait.get()) > 0) out.add("e ", i, ' ', t.wait.get(), ' ', of_step(t.start.get()), ' ', of_step(t.end.get()), '\n');
  }
  for (std::size_t c = 0; begun > 0 && c < o.puts.size(); ++c)
    for (std::int64_t box = 0; box < o.boxes; ++box) {
      const channel_plan& channel = o.tables->channels[c];
      if (channel.from == rank && !o.puts[c].empty())
        if (const put_note& m = o.puts[c][o.mark(kept, box)]; of_step(m.when.get()) > 0) out.add("p ", static_cast<std::int64_t>(c), ' ', box, ' ', m.when.get(), ' ', m.bytes.get(), '\n');
      if (channel.to == rank && !o.takes[c].empty())
        if (const std::int64_t when = of_step(o.takes[c][o.mark(kept, box)].get()); when > 0) out.add("t ", static_cast<std::int64_t>(c), ' ', box, ' ', when, '\n');
    }
  out.add("done ", s.number.get(), '\n');
}

inline std::int64_t time_of(clockid_t which) {
  timespec t{};
  clock_gettime(which, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

/// Everything that is known of a rank of this process.
inline void add_log(log_stream& out, const run_record& all, const rank_record& one) {
  const run_record::reading orders(all);
  out.add(R"(stretto log 1)", "\nrank ", one.rank, ' ', all.ranks, "\nprocess ", all.process, ' ');
  add_name(out, all.host);
  out.add("\nclock ", time_of(CLOCK_MONOTONIC), ' ', time_of(CLOCK_REALTIME), ' ', all.offset.get(), ' ', all.uncertainty.get());
  out.add("\nbound ", all.bound.get(), ' ', all.run.get(), "\nasked ", all.asked.get(), ' ', one.done.get(), '\n');
  if (const int n = all.error_length.load(); n > 0) {
    out.add("error ");
    for (int i = 0; i < n; ++i) out.add(all.error[i] >= ' ' && all.error[i] <= '~' ? all.error[i] : '?');
    out.add('\n');
  }
  if (one.threw.get() != 0) out.add("threw\n");
  if (const order_record* const now = one.order.load(std::memory_order_acquire); now != nullptr) out.add("now ", now->order, ' ', one.index.get(), ' ', one.entry.get(), ' ', one.layer.get() - 1, '\n');
  for (const order_record* o = orders.first(); o != nullptr; o = o->next.load()) {
    out.add("order ", o->order, ' ', o->trains ? 1 : 0, "\ncut");
    for (const int layer : o->cut) out.add(' ', layer);
    out.add('\n');
    add_program(out, *o->work);
    for (const channel_plan& c : o->tables->channels) {
      out.add("channel");
      for (const int n : {c.forward ? 1 : 0, c.link, c.from_stage, c.to_stage, c.from, c.to, c.objects}) out.add(' ', n);
      out.add('\n');
    }
    for (std::int64_t kept = 0; kept < kept_steps; ++kept) add_step(out, *o, one.rank, kept);
  }
  out.add("end\n");
}

/// Writes the log of a rank beside its place and then puts it there, so that nobody finds half of one. 0, or errno; where the
/// same log is being written already, that one does.
inline int write_log(const run_record& all, rank_record& one, const char* path, const char* beside) {
  if (one.writing.exchange(true)) return 0;
  const int file = ::open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  int why = file < 0 ? errno : 0;
  if (file >= 0) {
    {
      log_stream out(file);
      add_log(out, all, one);
      if (!out.flush()) why = errno != 0 ? errno : EIO;
    }
    if (::close(file) != 0 && why == 0) why = errno;
    if (why == 0 && ::rename(beside, path) != 0) why = errno;
  }
  one.writing.store(false);
  return why;
}

}  // namespace stretto::inline v0::detail
