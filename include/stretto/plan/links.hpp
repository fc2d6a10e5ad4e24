// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Link models: what a transport promises about messages, and so what can deadlock. The action that consumes a message
// always waits for it; the models differ in whom a message holds and how its ends meet.
//
//     buffered      sends and receives never hold a rank; ends meet by identity
//     bounded<k>    as buffered, but a send holds its rank while more than k sends of its ordered pair, itself included,
//                   are issued without their receive issued (k = 0: rendezvous by identity)
//     per_edge      as buffered, but the n-th send and n-th receive of an ordered pair must be one message
//     grouped       per_edge's rule; a maximal run of adjacent messages is issued at once and holds the rank until the
//                   other end of each is issued
//     rendezvous    per_edge's rule; a send holds its rank until its receive is issued; a receive holds nobody
//     single_fifo   per_edge's rule; a rank's messages form one queue in list order; one is served when both ends are
//                   issued and first in their queues; the plan completes when all are served; the rank isn't held
// buffered accepts whatever any other accepts, and single_fifo refuses whatever any other refuses; the rest is no chain.
#pragma once

#include <cstdint>

namespace stretto::inline v0 {

struct link_model {
  enum class kind : std::uint8_t { by_plan, buffered, bounded, per_edge, grouped, rendezvous, single_fifo };
  kind which = kind::by_plan;
  int bound = 0;  ///< bounded only, at least 0

  /// Whether the n-th send and the n-th receive of two ranks must be the same message.
  constexpr bool in_pair_order() const { return which != kind::by_plan && which != kind::buffered && which != kind::bounded; }
  friend constexpr bool operator==(const link_model&, const link_model&) = default;
};

namespace links {
inline constexpr link_model by_plan{};  ///< buffered for orders, per_edge for programs
inline constexpr link_model buffered{link_model::kind::buffered};
template <int K>
  requires(K >= 0)
inline constexpr link_model bounded{link_model::kind::bounded, K};
inline constexpr link_model per_edge{link_model::kind::per_edge};
inline constexpr link_model grouped{link_model::kind::grouped};
inline constexpr link_model rendezvous{link_model::kind::rendezvous};
inline constexpr link_model single_fifo{link_model::kind::single_fifo};
}  // namespace links

}  // namespace stretto::inline v0
