// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Letters of channels and gatherings that aren't open here. Ranks are bound at their own pace: what comes too early is kept
// until its channel is opened. What comes behind the end of a channel is received all the same, since runs come in turn.
//
//     keep(head, letter, from, wanted)     ─►     take(…, give): give(head, letter, from, runs) says whether it was taken
// Cost: memory for each, while ranks are being bound; none in a step.
#pragma once

#include <chrono>
#include <cstring>
#include <list>
#include <utility>
#include <vector>

#include <stretto/transport/mpi_post.hpp>

namespace stretto::inline v0::detail {

class mpi_early {
 public:
  explicit mpi_early(mpi_post& post) : post_(post) {}

  void keep(const letter_head& head, const unsigned char* sheet, int from, bool wanted) {
    all_.emplace_back();
    letter& l = all_.back();
    l.head = head, l.from = from, l.wanted = wanted;
    l.sheet = mpi_post::make_paper(letter_size);
    std::memcpy(l.sheet.get(), sheet, letter_size);
    for (int k = 0; k < head.apart; ++k) {
      const std::int64_t bytes = numbers_of(sheet)[head.numbers + k];
      l.runs.emplace_back(new unsigned char[static_cast<std::size_t>(bytes)]);
      post_.receive_run(from, l.runs.back().get(), bytes, &l.left);
    }
  }

  /// Waits for the runs of each, which are on their way.
  template <class Give>
  void take(std::chrono::steady_clock::duration longest, Give&& give) {
    const auto end = std::chrono::steady_clock::now() + longest;
    for (auto l = all_.begin(); l != all_.end();) {
      while (l->left > 0 && !post_.failed() && std::chrono::steady_clock::now() < end) post_.see_to_rest();
      const bool done = l->left == 0 && (!l->wanted || give(l->head, static_cast<const unsigned char*>(l->sheet.get()), l->from, l->runs.data()));
      l = done ? all_.erase(l) : std::next(l);
    }
  }

  /// MPI may still write to them.
  void abandon() { static_cast<void>(new std::list(std::move(all_))); }

 private:
  struct letter {
    letter_head head;
    mpi_post::paper sheet;
    std::vector<mpi_post::paper> runs;
    int from = 0, left = 0;
    bool wanted = true;
  };

  mpi_post& post_;
  std::list<letter> all_;
};

}  // namespace stretto::inline v0::detail
