// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MPI, as far as Stretto calls it: what begins and ends it, and errors as sentences. The only header that includes mpi.h, in C.
//
//     mpi_session::begin(MPI_THREAD_SERIALIZED)      begins MPI where nobody has, and ends it when the program ends
//     mpi_check(MPI_Isend(…), "MPI_Isend");          throws where it failed, with the words of MPI
//     std::lock_guard lock(mpi_session::turns());    threads of a process take turns, so MPI_THREAD_SERIALIZED is enough
// MPI is ended only after a run that went well: where a rank has failed or died, ending would wait for it for ever.
// Source: MPI 3.1, sections 8.7 and 12.4.
#pragma once

#if !defined(OMPI_SKIP_MPICXX)
#define OMPI_SKIP_MPICXX 1
#endif
#if !defined(MPICH_SKIP_MPICXX)
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include <atomic>
#include <cstdlib>
#include <string_view>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/transport/turn_lock.hpp>

namespace stretto::inline v0 {

namespace detail {

[[noreturn]] inline void mpi_broke(int code, const char* call) {
  char words[MPI_MAX_ERROR_STRING + 1] = {};
  int length = 0;
  MPI_Error_string(code, words, &length);
  throw error(text("stretto: ", call, " failed: ", std::string_view(words, static_cast<std::size_t>(length)), "; see what has become of the other ranks").str());
}

inline void mpi_check(int code, const char* call) {
  if (code != MPI_SUCCESS) [[unlikely]]
    mpi_broke(code, call);
}

inline const char* words_of_level(int level) {
  return level == MPI_THREAD_SINGLE ? "MPI_THREAD_SINGLE" : level == MPI_THREAD_FUNNELED ? "MPI_THREAD_FUNNELED" : level == MPI_THREAD_SERIALIZED ? "MPI_THREAD_SERIALIZED" : "MPI_THREAD_MULTIPLE";
}

/// What is to be known of MPI in this process as a whole.
class mpi_session {
 public:
  /// Begins MPI where nobody has. Throws where its thread level is too low for threads that take turns.
  static void begin() {
    int begun = 0, ended = 0, level = MPI_THREAD_SINGLE;
    MPI_Initialized(&begun);
    MPI_Finalized(&ended);
    if (ended != 0) throw error("stretto: MPI has been finalized already, and can't begin again; make transports before");
    if (begun != 0) {
      MPI_Query_thread(&level);
    } else {
      mpi_check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level), "MPI_Init_thread");
      std::atexit(end);
    }
    if (level < MPI_THREAD_SERIALIZED)
      throw error(text("stretto: MPI runs at ", words_of_level(level), ", and threads of a rank take turns at it; begin it by MPI_Init_thread with MPI_THREAD_SERIALIZED, or let the transport begin it").str());
  }

  /// Threads call MPI one at a time, whichever transport they use.
  static turn_lock& turns() {
    static turn_lock all;
    return all;
  }

  /// How many transports there are.
  static std::atomic<int>& users() {
    static std::atomic<int> count = 0;
    return count;
  }
  static bool is_over() {
    int ended = 0;
    MPI_Finalized(&ended);
    return ended != 0;
  }

  /// A transport failed, or couldn't end together with the others: MPI isn't finalized when the program ends.
  static void leave_unfinished() { unfinished() = true; }

 private:
  static std::atomic<bool>& unfinished() {
    static std::atomic<bool> is = false;
    return is;
  }
  static void end() {
    int ended = 0;
    MPI_Finalized(&ended);
    if (ended == 0 && !unfinished() && users() == 0) MPI_Finalize();  // who is still at work in a thread would call it afterwards
  }
};

}  // namespace detail

}  // namespace stretto::inline v0
