// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The post office of a process: letters that come and go over one communicator, by whichever of its threads looks.
//
//     post ─► MPI_Isend          look ─► MPI_Test of the oldest of eight posted receives ─► handle(letter)
// Letters from one rank come in the order in which they were sent, all with one tag, from any rank; what a letter holds in
// runs of their own comes with another tag, in the same order. Receives are posted again while nothing has come.
// Threads take turns (mpi_calls.hpp). A failure is told to all ranks, each answers, and all throw the error of the
// lowest rank that failed by itself; ranks that don't answer are named. Requests aren't persistent: to and fro between two
// processes, MPI_Start was no faster than MPI_Irecv in Open MPI 4.1 and slower in MPICH 4.0.
// Cost: a test of one request a look, and a receive posted anew for each letter. Source: MPI 3.1, sections 3.5 and 3.7.
#pragma once

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/transport/letter.hpp>
#include <stretto/transport/mpi_calls.hpp>

namespace stretto::inline v0::detail {

class mpi_post {
 public:
  static constexpr int letters = 1, runs = 2;  // tags
  using clock = std::chrono::steady_clock;

  mpi_post(MPI_Comm over, double deadline) {
    if (!(deadline > 0)) throw error("stretto: the deadline of a transport is not a number of seconds above 0; give one");
    mpi_session::begin();
    if (over == MPI_COMM_NULL) throw error("stretto: mpi_options::over is MPI_COMM_NULL, which has no ranks; let the processes that are left out make no transport");
    std::unique_lock lock(mpi_session::turns());
    MPI_Request request;
    mpi_check(MPI_Comm_idup(over, &comm_, &request), "MPI_Comm_idup");
    await(request, deadline, lock);
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm_, &rank_);
    MPI_Comm_size(comm_, &ranks_);
    fits_ = has_core_a_rank(deadline, lock);
    heard_.assign(static_cast<std::size_t>(ranks_), 0);
    for (receive& r : ring_) r.letter = make_paper(letter_size);
    post_receives();
  }
  mpi_post(const mpi_post&) = delete;
  mpi_post& operator=(const mpi_post&) = delete;

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  bool fits() const { return fits_; }  ///< each rank of this machine has a core of its own

  using paper = std::unique_ptr<unsigned char[]>;
  static paper make_paper(std::int64_t bytes) { return paper(new unsigned char[static_cast<std::size_t>(bytes)]); }

  // With the lock held:

  void send(int to, int tag, const void* bytes, std::int64_t count, int* left) {
    constexpr std::int64_t most = 1 << 30;  // counts of MPI 3 are ints
    for (std::int64_t from = 0; from == 0 || from < count; from += most) {
      MPI_Request request;
      mpi_check(MPI_Isend(static_cast<const char*>(bytes) + from, static_cast<int>((std::min)(count - from, most)), MPI_BYTE, to, tag, comm_, &request), "MPI_Isend");
      ++*left;
      sent_.push_back({request, left});
    }
  }
  void receive_run(int from, void* bytes, std::int64_t count, int* left) {
    constexpr std::int64_t most = 1 << 30;
    for (std::int64_t at = 0; at == 0 || at < count; at += most) {
      MPI_Request request;
      mpi_check(MPI_Irecv(static_cast<char*>(bytes) + at, static_cast<int>((std::min)(count - at, most)), MPI_BYTE, from, runs, comm_, &request), "MPI_Irecv");
      ++*left;
      awaited_.push_back({request, left});
    }
  }
  /// Room for so many letters and runs under way.
  void reserve(std::size_t more) {
    sent_.reserve(sent_.capacity() + more);
    awaited_.reserve(awaited_.capacity() + more);
  }

  /// Hands a letter that has come to handle(letter, from); where none has, sees to the rest. Gives whether something came, a
  /// letter or a run, or may have gone.
  template <class Handle>
  bool look(Handle&& handle) {
    receive& r = ring_[static_cast<std::size_t>(handled_ % depth)];
    if (handled_ == posted_) post_receives();
    int there = 0;
    MPI_Status status;
    mpi_check(MPI_Test(&r.request, &there, &status), "MPI_Test");
    if (there != 0) {
      ++handled_;  // whatever becomes of it: it isn't handed on twice
      handle(static_cast<const unsigned char*>(r.letter.get()), status.MPI_SOURCE);
      if (handled_ % depth == 0) see_to_rest();
      return true;
    }
    if (posted_ < handled_ + depth) post_receives();
    return (!sent_.empty() && test(sent_)) || (!awaited_.empty() && test(awaited_));
  }
  /// What isn't waited for: receives that are posted anew, and what was sent.
  void see_to_rest() {
    if (posted_ < handled_ + depth) post_receives();
    if (!sent_.empty()) static_cast<void>(test(sent_));
    if (!awaited_.empty()) static_cast<void>(test(awaited_));
  }
  bool has_runs_to_come() const { return !awaited_.empty(); }
  bool is_busy() const { return !awaited_.empty() || !sent_.empty(); }

  // Failures. Any thread.

  bool failed() const { return failed_.load(std::memory_order_acquire); }

  /// With the lock held: a failure of this rank's own.
  void fail(const error& e) {
    if (failed()) return;
    cause_ = rank_, cause_words_ = std::make_unique<error>(e);
    failed_.store(true, std::memory_order_release);
    tell(true);
  }
  /// With the lock held: what another rank tells.
  void hear(const unsigned char* sheet, int from) {
    letter_head head;
    std::memcpy(&head, sheet, sizeof head);
    heard_[static_cast<std::size_t>(from)] = 1;
    const bool own = head.box != 0;
    if (own && !settled_ && (cause_words_ == nullptr || from < cause_)) {
      error_place where;
      std::memcpy(&where, sheet + sizeof head, sizeof where);
      cause_ = from;
      cause_words_ = std::make_unique<error>(std::string_view(reinterpret_cast<const char*>(sheet) + sizeof head + sizeof where, static_cast<std::size_t>(head.bytes)), where);
    }
    if (failed()) return;
    if (cause_words_ == nullptr) return;
    failed_.store(true, std::memory_order_release);
    tell(false);
  }
  /// With the lock held: whether all others have said that they know.
  bool all_heard() const {
    for (int r = 0; r < ranks_; ++r)
      if (r != rank_ && heard_[static_cast<std::size_t>(r)] == 0) return false;
    return true;
  }
  /// With the lock held: the error that all ranks throw, from here on.
  const error& settle() {
    if (settled_) return *cause_words_;
    settled_ = true;
    if (all_heard()) return *cause_words_;
    text t(cause_words_->what());
    const char* comma = "; no answer from rank ";
    for (int r = 0; r < ranks_; ++r)
      if (r != rank_ && heard_[static_cast<std::size_t>(r)] == 0) t.add(comma, r), comma = ", ";
    cause_words_ = std::make_unique<error>(t.str(), cause_words_->place());
    return *cause_words_;
  }
  bool is_settled() const { return settled_; }

  /// Ends together with the others, looking all the while; gives whether they came within `seconds`.
  template <class Look>
  bool part(double seconds, Look&& see) {
    MPI_Request request;
    if (MPI_Ibarrier(comm_, &request) != MPI_SUCCESS) return false;
    const auto end = clock::now() + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds < 1e9 ? seconds : 1e9));
    for (int there = 0;;) {
      if (MPI_Test(&request, &there, MPI_STATUS_IGNORE) != MPI_SUCCESS) return false;
      if (there != 0 && sent_.empty()) break;
      see();
      if (clock::now() > end) return false;
      if (!fits_) sched_yield();
    }
    for (; handled_ < posted_; ++handled_) {
      receive& r = ring_[static_cast<std::size_t>(handled_ % depth)];
      MPI_Cancel(&r.request);
      MPI_Wait(&r.request, MPI_STATUS_IGNORE);
    }
    MPI_Comm_free(&comm_);
    return true;
  }

  /// Nothing that MPI may still write to or read from is given back.
  void abandon() {
    for (receive& r : ring_) {
      int done = 0;
      if (!mpi_session::is_over() && r.request != MPI_REQUEST_NULL && MPI_Cancel(&r.request) == MPI_SUCCESS) MPI_Test(&r.request, &done, MPI_STATUS_IGNORE);
      if (done == 0) static_cast<void>(r.letter.release());
    }
    static_cast<void>(own_words_.release());
    mpi_session::leave_unfinished();
  }

 private:
  static constexpr std::int64_t depth = 8;
  struct receive {
    MPI_Request request = MPI_REQUEST_NULL;
    paper letter;
  };
  struct under_way {
    MPI_Request request;
    int* left;  // of what belongs together
  };

  void post_receives() {
    for (; posted_ < handled_ + depth; ++posted_) {
      receive& r = ring_[static_cast<std::size_t>(posted_ % depth)];
      mpi_check(MPI_Irecv(r.letter.get(), letter_size, MPI_BYTE, MPI_ANY_SOURCE, letters, comm_, &r.request), "MPI_Irecv");
    }
  }
  static bool test(std::vector<under_way>& all) {
    bool any = false;
    for (std::size_t i = 0; i < all.size();) {
      int done = 0;
      mpi_check(MPI_Test(&all[i].request, &done, MPI_STATUS_IGNORE), "MPI_Test");
      if (done == 0) {
        ++i;
        continue;
      }
      --*all[i].left;
      all[i] = all.back();
      all.pop_back();
      any = true;
    }
    return any;
  }

  void tell(bool own) {
    letter_head head;
    head.kind = mail_kind::failure;
    head.box = own ? 1 : 0;
    own_words_ = make_paper(letter_size);
    const std::string_view words(cause_words_->what());
    const error_place where = cause_words_->place();
    const std::size_t before = sizeof head + sizeof where, count = (std::min)(words.size(), static_cast<std::size_t>(letter_size) - before);
    head.bytes = static_cast<std::uint16_t>(count);
    std::memcpy(own_words_.get(), &head, sizeof head);
    std::memcpy(own_words_.get() + sizeof head, &where, sizeof where);
    std::memcpy(own_words_.get() + before, words.data(), count);
    for (int r = 0; r < ranks_; ++r)
      if (r != rank_) send(r, letters, own_words_.get(), static_cast<std::int64_t>(before + count), &telling_);
  }

  /// Lets other threads of the process have turns meanwhile: they may be at work over another transport. Processes start when
  /// they like, so half a minute is waited at least.
  static void await(MPI_Request& request, double seconds, std::unique_lock<turn_lock>& lock) {
    const double deadline = seconds < 30 ? 30 : seconds;
    const auto end = clock::now() + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(deadline < 1e9 ? deadline : 1e9));
    for (int there = 0; mpi_check(MPI_Test(&request, &there, MPI_STATUS_IGNORE), "MPI_Test"), there == 0;) {
      if (clock::now() > end) {
        mpi_session::leave_unfinished();
        throw error(text("stretto: a transport waited ", static_cast<std::int64_t>(deadline * 1000), " ms for the other processes to make theirs; let all of them make it, or raise the deadline").str());
      }
      lock.unlock();
      sched_yield();
      lock.lock();
    }
  }

  /// Whether the ranks of this machine may use as many cores together as they are.
  bool has_core_a_rank(double deadline, std::unique_lock<turn_lock>& lock) {
    struct place {
      char machine[MPI_MAX_PROCESSOR_NAME];
      cpu_set_t cores;
    } mine{};
    int length = 0;
    MPI_Get_processor_name(mine.machine, &length);
    CPU_ZERO(&mine.cores);
    sched_getaffinity(0, sizeof mine.cores, &mine.cores);
    std::vector<place> all(static_cast<std::size_t>(ranks_));
    MPI_Request request;
    constexpr int bytes = static_cast<int>(sizeof mine);
    mpi_check(MPI_Iallgather(&mine, bytes, MPI_BYTE, all.data(), bytes, MPI_BYTE, comm_, &request), "MPI_Iallgather");
    await(request, deadline, lock);
    int count = 0;
    for (const place& p : all) {
      if (std::memcmp(p.machine, mine.machine, sizeof mine.machine) != 0) continue;
      ++count;
      CPU_OR(&mine.cores, &mine.cores, &p.cores);
    }
    return CPU_COUNT(&mine.cores) >= count;
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, ranks_ = 1;
  bool fits_ = false;
  receive ring_[depth];
  std::int64_t posted_ = 0, handled_ = 0;
  std::vector<under_way> sent_, awaited_;
  std::atomic<bool> failed_ = false;
  bool settled_ = false;
  int cause_ = -1, telling_ = 0;
  std::unique_ptr<error> cause_words_;
  paper own_words_;
  std::vector<char> heard_;
};

}  // namespace stretto::inline v0::detail
