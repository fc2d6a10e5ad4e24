// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is left of a run that ends early: a log of each rank, in a file of its own, that stretto-explain and run/read_dump.hpp read.
//
//     pipeline p(model, cut, plan, adamw{}, {.dump = "run"});      run.rank0.log, run.rank1.log, …, or STRETTO_DUMP=run
//     dump_on_signals({SIGTERM, SIGINT, SIGUSR1});                 in main, if you like
//     p.dump();                                                    now
// Every error that ends a run writes them, on all ranks and processes. SIGUSR1 and SIGUSR2 write them and go on; any other
// signal that was named writes them, says where each rank was, and ends the program as it would have without this.
// Pipelines stand in a table of 64 places that handlers read without a lock. Cost: nothing until then.
#pragma once

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <string>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/run/log_writer.hpp>

namespace stretto::inline v0 {

namespace detail {

/// The pipelines of this process. A handler gets no argument, so this is the one thing here that is of the whole process.
struct run_table {
  static constexpr int places = 64;
  std::atomic<run_record*> runs[places] = {};
  std::atomic<int> readers = 0;

  static run_table& all() {
    static constinit run_table table;
    return table;
  }
};

/// Stands in the table while it lives.
class run_place {
 public:
  explicit run_place(run_record& r) {
    for (auto& place : run_table::all().runs) {
      run_record* empty = nullptr;
      if (place.compare_exchange_strong(empty, &r)) {
        place_ = &place;
        return;
      }
    }
  }
  run_place(const run_place&) = delete;
  run_place& operator=(const run_place&) = delete;
  ~run_place() {
    if (place_ == nullptr) return;  // there were more: such a one isn't told of signals
    place_->store(nullptr);
    while (run_table::all().readers.load() > 0) usleep(100);
  }

 private:
  std::atomic<run_record*>* place_ = nullptr;
};

/// The path of a rank's log; empty where none is to be written.
inline std::string log_path(const std::string& prefix, int rank) { return prefix.empty() ? prefix : prefix + ".rank" + std::to_string(rank) + ".log"; }

inline std::string dump_prefix(const std::string& given) {
  const char* const everywhere = given.empty() ? std::getenv("STRETTO_DUMP") : nullptr;
  return everywhere != nullptr ? everywhere : given;
}

/// Whether a rank of another pipeline of this process writes to that path.
inline bool is_taken(const std::string& path) {
  run_table& table = run_table::all();
  table.readers.fetch_add(1);
  bool taken = false;
  for (auto& place : table.runs)
    if (const run_record* const r = place.load(); r != nullptr)
      for (const auto& one : r->of_rank) taken = taken || (one != nullptr && one->path == path);
  table.readers.fetch_sub(1);
  return taken;
}

/// "stretto: rank 2 of 4 was at step 14 (0F2) of run 5, and had been for 1200 ms, when signal 15 came"
inline void say_where(log_stream& out, const run_record& all, const rank_record& one, int signal) {
  const run_record::reading orders(all);
  out.add("stretto: rank ", one.rank, " of ", all.ranks);
  const order_record* const o = one.order.load(std::memory_order_acquire);
  const std::int64_t entry = one.entry.get(), index = one.index.get();
  if (o == nullptr) {
    out.add(" was between two steps, after ", one.done.get(), " of ", all.asked.get(), " that were asked for");
  } else if (entry < 0) {
    out.add(" was at the beginning of run ", one.done.get() + 1);
  } else {
    out.add(" was at step ", entry, " (");
    const plan_view p = *o->work;
    add_action(out, p, p.order(one.rank)[entry]);
    out.add(") of run ", one.done.get() + 1);
    if (one.layer.get() > 0) out.add(" in layer ", one.layer.get() - 1);
    const auto& times = o->ranks[static_cast<std::size_t>(one.rank)].times;
    if (!times.empty()) {
      const std::int64_t since = times[static_cast<std::size_t>(index % kept_steps * p.order(one.rank).count + entry)].wait.get();
      out.add(", and had been for ", (time_of(CLOCK_MONOTONIC) - since) / 1'000'000, " ms");
    }
  }
  out.add(", when signal ", signal, " came\n");
}

/// A signal handler: calls nothing that isn't allowed there.
inline void on_signal(int signal) {
  const int kept = errno;
  const bool goes_on = signal == SIGUSR1 || signal == SIGUSR2;
  run_table& table = run_table::all();
  table.readers.fetch_add(1);
  for (auto& place : table.runs) {
    const run_record* const r = place.load();
    if (r == nullptr) continue;
    for (const auto& one : r->of_rank) {
      if (one == nullptr) continue;
      if (!one->path.empty()) write_log(*r, *one, one->path.c_str(), one->beside.c_str());
      if (goes_on && !one->path.empty()) continue;
      log_stream out(STDERR_FILENO);
      if (goes_on) out.add("stretto: signal ", signal, " came, and no place is named for the log of rank ", one->rank, "; set pipeline_options::dump, or STRETTO_DUMP, before the run\n");
      else say_where(out, *r, *one, signal);
    }
  }
  table.readers.fetch_sub(1);
  if (!goes_on) {
    // Where mpirun ends several processes, it kills the others as soon as one has gone: they are to have had their say by then.
    const timespec a_moment{0, 200'000'000};
    nanosleep(&a_moment, nullptr);
    struct sigaction usual {};
    usual.sa_handler = SIG_DFL;
    sigaction(signal, &usual, nullptr);
    raise(signal);  // comes when this handler has returned
  }
  errno = kept;
}

}  // namespace detail

/// Lets signals write the logs of all pipelines of this process. Throws stretto::error where a signal can't be caught.
inline void dump_on_signals(std::initializer_list<int> signals) {
  detail::run_table::all();
  for (const int signal : signals) {
    struct sigaction how {};
    how.sa_handler = detail::on_signal;
    how.sa_flags = SA_RESTART;
    sigemptyset(&how.sa_mask);
    if (sigaction(signal, &how, nullptr) != 0) throw error(text("stretto: signal ", signal, " can't be caught; name others, such as SIGTERM, SIGINT and SIGUSR1").str());
  }
}

}  // namespace stretto::inline v0
