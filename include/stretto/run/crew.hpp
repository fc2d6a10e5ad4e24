// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The threads of a process's ranks, and the steps they are asked for: a ring of eight, which each thread takes in order, at
// its own pace.
//
//     host      ask(step 5)                          wait_for(6)
//     rank 0    ── step 3 ──┬── step 4 ──┬── step 5 ──┤
//     rank 1    ─ step 3 ─┬── step 4 ──┬── step 5 ──┤
// An idle rank dozes without a deadline. Whatever a rank throws ends the run on all of them, in one error.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <stretto/run/dump.hpp>
#include <stretto/run/executor.hpp>

namespace stretto::inline v0::detail {

template <class Transport, class Optimizer>
class crew {
 public:
  struct rank_state {
    memory_account memory;
    std::vector<bound_stage> stages;
    std::unique_ptr<executor<Transport, Optimizer>> work;
    alignas(64) std::atomic<std::int64_t> done = 0;  // steps that have ended
    std::atomic<bool> ended = true;  // the thread has
    std::thread thread;
  };
  struct asked_step {
    binding<Transport>* order = nullptr;
    step_request what;
    Optimizer optimizer{};
  };

  explicit crew(Transport& t) : t_(t), ranks_(static_cast<std::size_t>(t.ranks())) {
    record.ranks = t.ranks();
    record.process = ::getpid();
    char host[128] = {};
    if (::gethostname(host, sizeof host - 1) == 0) record.host = host;
    record.of_rank.resize(ranks_.size());
    each_local([&](int r, rank_state&) {
      record.of_rank[static_cast<std::size_t>(r)] = std::make_unique<rank_record>();
      record.of_rank[static_cast<std::size_t>(r)]->rank = r;
    });
  }
  crew(const crew&) = delete;

  rank_state& rank(int r) { return ranks_[static_cast<std::size_t>(r)]; }
  const rank_state& rank(int r) const { return ranks_[static_cast<std::size_t>(r)]; }
  template <class Do>
  void each_local(Do&& work) {
    for (int r = 0; r < t_.ranks(); ++r)
      if (t_.local(r)) work(r, rank(r));
  }

  const bound_stage& stage_of(int rank, int stage) const {
    for (const bound_stage& s : this->rank(rank).stages)
      if (s.stage == stage) return s;
    throw error(text("stretto: the plan lets rank ", rank, " do stage ", stage, ", which another plan gave to other ranks; bind plans with the same owners").str(), {.rank = rank, .stage = stage});
  }

  /// A layer of this process, or one that is made to be looked at.
  template <class Model, class Look>
  void with_layer(const Model& model, int layer, Look&& look) const {
    for (int r = 0; r < t_.ranks(); ++r)
      for (const bound_stage& s : rank(r).stages) {
        const int k = layer - s.first_layer;
        if (k >= 0 && k < static_cast<int>(s.layers.size())) return look(*s.rows[static_cast<std::size_t>(k)], s.layers[static_cast<std::size_t>(k)]);
      }
    void (*drop)(void*) = nullptr;
    void* made = model.make(layer, &drop);
    look(model.row(layer), made);
    drop(made);
  }

  void start() {
    each_local([this](int r, rank_state& state) {
      state.ended = false;
      try {
        state.thread = std::thread([this, r] { work_on(r); });
      } catch (...) {
        state.ended = true;
        throw;
      }
    });
  }
  /// Steps that were asked for are run to their end first.
  void stop(bool told = false) {
    if (stop_.exchange(true)) return;
    told_ = told_ || told;
    if (std::uncaught_exceptions() > thrown_ && !all_here()) leave_by_exception();
    ring();
    try {
      wait_here(asked());  // within the deadline, as everything is
    } catch (...) {        // it is the run's error, which is thrown to who asks for results, or said below
    }
    if (t_.failed()) say_why();
    t_.leave(t_.host());
    for (rank_state& r : ranks_)
      if (r.thread.joinable()) r.thread.join();
    if (t_.failed()) log_all();  // of ranks that had nothing to do when it did
    record.remove_all();
  }

  /// Where logs go, if they are wanted. A second pipeline of the same ranks in this process gets names of its own.
  void name_logs(const pipeline_options& how) {
    if (!how.record && !how.dump.empty()) throw error("stretto: pipeline_options::dump says where logs go, and record is false, so there is nothing to write; leave record on");
    const std::string all = how.record ? dump_prefix(how.dump) : std::string();
    std::string prefix = all;
    for (int other = 2; !prefix.empty() && is_taken(log_path(prefix, first_local(t_))); ++other) prefix = all + "." + std::to_string(other);
    each_local([&](int r, rank_state&) {
      rank_record& one = *record.of_rank[static_cast<std::size_t>(r)];
      one.path = log_path(prefix, r), one.beside = one.path + ".part";
      if (prefix.empty()) return;
      const int file = ::open(one.beside.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
      if (file < 0) refuse_path(r, one.path, errno);
      ::close(file), ::unlink(one.beside.c_str());
    });
    place_.emplace(record);
  }
  /// Writes the logs as they are now.
  void dump(const std::string& prefix) {
    each_local([&](int r, rank_state&) {
      rank_record& one = *record.of_rank[static_cast<std::size_t>(r)];
      const std::string path = prefix.empty() ? one.path : log_path(prefix, r);
      if (path.empty()) throw error("stretto: a pipeline is asked to dump and not told where; set pipeline_options::dump, or STRETTO_DUMP");
      if (const int why = write_log(record, one, path.c_str(), (path + ".part").c_str()); why != 0) refuse_path(r, path, why);
    });
  }

  std::int64_t asked() const { return asked_.load(std::memory_order_relaxed); }
  /// Waits until no more steps are under way than there is room for.
  void make_way() {
    must_be_free();
    wait_for(asked() - kept_steps + 1);
  }
  void ask(const asked_step& step) {
    const std::int64_t number = asked();
    queue_[static_cast<std::size_t>(number % kept_steps)] = step;
    if (step.what.serves != nullptr) serves_.store(true);
    record.asked = number + 1;
    asked_.store(number + 1, std::memory_order_release);
    ring();
  }

  /// Whoever serves knows when the last item has come; nothing that is asked for before would ever begin.
  void must_be_free() {
    if (serves_.load(std::memory_order_acquire) && !t_.failed()) throw error("stretto: a pipeline is asked for something else while it serves; call finish() of its stream or of its requests first");
  }
  void has_served() { serves_.store(false, std::memory_order_release); }

  void finish() {
    must_be_free();
    wait_for(asked());
    settle();
  }
  void wait_for(std::int64_t steps) {
    watched([&] { wait_here(steps); });
  }
  /// And what they have put on streams.
  void settle() {
    if constexpr (has_lanes<Transport>) each_local([this](int r, rank_state&) { t_.settle(r); });
  }
  bool all_here() const {
    for (int r = 0; r < t_.ranks(); ++r)
      if (!t_.local(r)) return false;
    return true;
  }
  /// Does what may end in an error of the run, which leaves logs.
  template <class Do>
  void watched(Do&& work) {
    try {
      work();
    } catch (...) {
      told_ = true;
      if (t_.failed()) log_all();
      throw;
    }
  }

  /// Throws what this process found by itself, and leaves logs of it.
  [[noreturn]] void refuse(const error& e) {
    told_ = true;
    record.fail(e.what());
    each_local([&](int r, rank_state&) {
      rank_record& one = *record.of_rank[static_cast<std::size_t>(r)];
      if (!one.path.empty() && !one.logged.load()) write_log(record, one, one.path.c_str(), one.beside.c_str());
    });
    throw e;
  }

  run_settings settings;
  run_record record;

 private:
  [[noreturn]] static void refuse_path(int rank, const std::string& path, int why) {
    throw error(text("stretto: the log of rank ", rank, " can't be written to '", path, "' (", std::generic_category().message(why), "); name a place that can").str(), {.rank = rank});
  }
  /// What ended the program's block ends the run on the other processes, too.
  void leave_by_exception() {
    const int mine = first_local(t_);
    told_ = true;
    t_.fail(error(text("stretto: rank ", mine, " has left its pipeline because of an exception of its program; see what that says").str(), {.rank = mine}));
  }
  /// The error that nobody was told of. And a rank that doesn't come back from a layer holds its thread, and who ends the
  /// pipeline waits for that, perhaps before anybody has seen the error.
  void say_why() {
    const auto stays = [&](int r) { return t_.local(r) && !rank(r).ended.load(std::memory_order_acquire); };
    for (int tries = 0; tries < 100; ++tries) {
      bool all = true;
      for (int r = 0; r < t_.ranks(); ++r) all = all && !stays(r);
      if (all && told_) return;
      if (all) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    log_stream out(STDERR_FILENO);
    try {
      t_.rethrow();
    } catch (const std::exception& e) {
      out.add(e.what(), '\n');
    }
    for (int r = 0; r < t_.ranks(); ++r) {
      if (!stays(r)) continue;
      text t;
      rank(r).work->name_entry(t);
      out.add("stretto: the pipeline can't end, because rank ", r, " doesn't come back from", t.str());
      if (const std::int64_t layer = record.of_rank[static_cast<std::size_t>(r)]->layer.get(); layer > 0) out.add(" in layer ", layer - 1);
      out.add("; see what holds it there\n");
    }
  }

  void wait_here(std::int64_t steps) {
    t_.attend(
        t_.host(),
        [&] {
          for (int r = 0; r < t_.ranks(); ++r)
            if (t_.local(r) && rank(r).done.load(std::memory_order_acquire) < steps) return false;
          return true;
        },
        [&] {
          std::int64_t ended = 0;
          for (const rank_state& r : ranks_) ended += r.work ? r.work->ended() : 0;
          return ended;
        },
        [&](text& t) {
          t.add("some rank to end an action, and ");
          const char* comma = "";
          each_local([&](int r, rank_state& state) {
            t.add(comma, "rank ", r, " is at");
            state.work->name_entry(t);
            comma = ", ";
          });
        });
  }

  void log_all() {
    each_local([this](int r, rank_state&) { log(r); });
    each_local([this](int r, rank_state&) {  // whoever learns of the error finds all of them
      for (int i = 0; i < 5000 && !record.of_rank[static_cast<std::size_t>(r)]->written.load(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  }
  /// The log of a rank at the end of the run, once, where logs are wanted.
  void log(int r) {
    rank_record& one = *record.of_rank[static_cast<std::size_t>(r)];
    if (one.logged.exchange(true)) return;
    try {
      t_.rethrow();
    } catch (const std::exception& e) {
      record.fail(e.what());
    } catch (...) {
      record.fail("");
    }
    if (!one.path.empty()) write_log(record, one, one.path.c_str(), one.beside.c_str());
    one.written.store(true);
  }

  void ring() {
    each_local([this](int r, rank_state&) { t_.ring(r); });
  }

  void work_on(int r) {
    rank_state& self = rank(r);
    const counted_for scope(self.memory);
    t_.enter(r);
    try {
      for (std::int64_t step = 0;; ++step) {
        t_.doze(r, [&] { return asked_.load(std::memory_order_acquire) > step || stop_.load(); });  // idle: no deadline here
        if (asked_.load(std::memory_order_acquire) <= step) break;
        const asked_step& q = queue_[static_cast<std::size_t>(step % kept_steps)];
        self.work->run(*q.order, q.what, q.optimizer, settings);
        record.of_rank[static_cast<std::size_t>(r)]->done = step + 1;
        self.done.store(step + 1, std::memory_order_release);
        t_.ring(t_.host());
      }
    } catch (const std::exception& e) {
      fail(r, e.what());
    } catch (...) {
      fail(r, "something that is no std::exception");
    }
    t_.leave(r);
    self.ended.store(true, std::memory_order_release);
  }

  void fail(int r, const char* why) {
    if (!t_.failed()) {
      record.of_rank[static_cast<std::size_t>(r)]->threw = 1;
      t_.fail(rank(r).work->failure(why));
    }
    log(r);
  }

  Transport& t_;
  std::vector<rank_state> ranks_;
  asked_step queue_[kept_steps] = {};
  std::atomic<std::int64_t> asked_ = 0;
  bool told_ = false;              // somebody was thrown the error that ended the run
  int thrown_ = std::uncaught_exceptions();  // when it was made
  std::atomic<bool> stop_ = false, serves_ = false;
  std::optional<run_place> place_;  // in the table of this process
};

}  // namespace stretto::inline v0::detail
