// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks as threads of one process: objects change hands and nothing is copied (mailroom.hpp); who waits spins for a while,
// where the ranks have a core each, and then sleeps (parking.hpp). There may be more ranks than cores.
//
//     threads t(4, {.deadline = 30, .pin = true});
//     pipeline p(t, model, cut, plan);
// Without a transport a pipeline makes one of these for itself.
#pragma once

#include <stretto/transport/mailroom.hpp>
#include <stretto/transport/parking.hpp>

namespace stretto::inline v0 {

class threads : public mailroom<detail::parking> {
 public:
  using options = threads_options;

  explicit threads(int ranks, const threads_options& how = {}) : mailroom<detail::parking>(ranks, how) {}
};

}  // namespace stretto::inline v0
