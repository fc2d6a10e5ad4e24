// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Faults at compile time: a fault becomes a type with numbers, and its static_assert is a sentence. All three compilers
// print both, the numbers in the type and the words below them:
//
//     … plan_fault<stretto::fault::deadlock, 1, 3>: "stretto: the plan deadlocks: …"         rank 1, step 3 of its list
//     … size_fault<size_name::micro_batches, 6, 4, 8>: "stretto: the schedule has no plan for …"    6 given; 4 or 8 would do
#pragma once

#include <stretto/plan/verdict.hpp>

namespace stretto::inline v0 {

/// Doesn't compile unless Kind is fault::none. Rank and Step say where the fault is.
template <fault Kind, int Rank, int Step>
struct plan_fault {
  static_assert(Kind != fault::no_plan, "stretto: the plan was never made, or was moved from; make it with make_plan");
  static_assert(Kind != fault::bad_graph, "stretto: the edge table asks for something that can't be; mend the graph's row at the step in plan_fault<kind, rank, step>");
  static_assert(Kind != fault::bad_route, "stretto: a route leaves the plan's ranks, or passes a stage twice; mend the routes");
  static_assert(Kind != fault::unknown_pass, "stretto: the action at the rank and step in plan_fault<kind, rank, step> is of a pass that the graph doesn't have; add the pass or take the action out");
  static_assert(Kind != fault::out_of_range, "stretto: the action at the rank and step in plan_fault<kind, rank, step> names a stage, micro-batch or slice that the plan doesn't have");
  static_assert(Kind != fault::wrong_rank, "stretto: the action at the rank and step in plan_fault<kind, rank, step> stands on a rank that doesn't own its stage; move it");
  static_assert(Kind != fault::duplicate, "stretto: the action at the rank and step in plan_fault<kind, rank, step> stands twice; take one out");
  static_assert(Kind != fault::missing, "stretto: the rank in plan_fault<kind, rank, step> lacks an action that the plan needs; add it");
  static_assert(Kind != fault::missing_send, "stretto: an edge between ranks lacks its send on the rank in plan_fault<kind, rank, step>; add it behind its pass");
  static_assert(Kind != fault::missing_receive, "stretto: an edge between ranks lacks its receive on the rank in plan_fault<kind, rank, step>; add it before its consumer");
  static_assert(Kind != fault::needless_message, "stretto: the message at the rank and step in plan_fault<kind, rank, step> carries no edge between two ranks; take it out");
  static_assert(Kind != fault::bad_pair, "stretto: the overlapped pair at the rank and step in plan_fault<kind, rank, step> has no second half that can run with it");
  static_assert(Kind != fault::group_order, "stretto: the collective at the rank and step in plan_fault<kind, rank, step> comes in another order than on the first rank of its group");
  static_assert(Kind != fault::mismatch, "stretto: the receive at the rank and step in plan_fault<kind, rank, step> meets another message of the same two ranks; issue both ends in one order");
  static_assert(Kind != fault::deadlock, "stretto: the plan deadlocks: the rank in plan_fault<kind, rank, step> waits at that step in a cycle of ranks that wait for each other; change the order of one of them");
  static constexpr bool ok = true;
};

/// What a size is called in size_fault.
enum class size_name : int { ranks, micro_batches, chunks, slices, option };

/// Doesn't compile: a schedule has no plan for these sizes. Below and Above are the nearest that would do, -1 if none.
template <size_name Which, long long Given, long long Below, long long Above>
struct size_fault {
  static_assert(Which != size_name::ranks, "stretto: the schedule has no plan for this number of ranks; the nearest that would do stand in size_fault<which, given, below, above>, -1 for none");
  static_assert(Which != size_name::micro_batches, "stretto: the schedule has no plan for this number of micro-batches; the nearest that would do stand in size_fault<which, given, below, above>, -1 for none");
  static_assert(Which != size_name::chunks, "stretto: the schedule has no plan for this number of chunks; the nearest that would do stand in size_fault<which, given, below, above>, -1 for none");
  static_assert(Which != size_name::slices, "stretto: the schedule has no plan for this number of slices; the nearest that would do stand in size_fault<which, given, below, above>, -1 for none");
  static_assert(Which != size_name::option, "stretto: an option of the schedule doesn't fit these sizes; the nearest values that would do stand in size_fault<which, given, below, above>, -1 for none");
  static constexpr bool ok = true;
};

}  // namespace stretto::inline v0
