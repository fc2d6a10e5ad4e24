// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whose CSV a text is. Tools write the same cells with small differences; a dialect names them, so that no text is guessed at.
//
//     dialect     passes     messages and markers                  a blank row, ""             extensions (plan/csv.hpp)
//     own         F I W B    SEND_ RECV_ UNSHARD RESHARD           refused                     read and written
//                            REDUCE_GRAD, and those of the graph
//     torch       F I W B    SEND_F RECV_F SEND_B RECV_B           a rank, a cell              refused
//                            UNSHARD RESHARD REDUCE_GRAD           with nothing to do
//     torchtitan  F I W B    refused                               likewise                    refused
//     old         F B W BW   as torch, without REDUCE_GRAD         likewise                    refused, and so are pairs
//
// torch       what torch.distributed.pipelining reads and writes, in both of its formats. Python's csv module does the
//             writing there: rows end in CR LF, a rank without a cell is a blank row, one idle cell alone in its row is "".
// torchtitan  the file that pipeline_parallel_schedule_csv names: of passes alone, since messages and markers are placed
//             when it is loaded.
// old         torch before the end of 2024: B is what is I now, and BW is what is B now. The same cell means another pass
//             there, so this is never guessed; a BW in a text of another dialect is refused with a hint. A text of that
//             time whose B does both, without a W, is one of dialect torch.
#pragma once

#include <cstdint>
#include <string_view>

#include <stretto/core/text.hpp>
#include <stretto/plan/graph.hpp>

namespace stretto::inline v0 {

enum class csv_dialect : std::uint8_t { own, torch, torchtitan, old };
inline constexpr csv_dialect csv_dialects[] = {csv_dialect::own, csv_dialect::torch, csv_dialect::torchtitan, csv_dialect::old};

/// The dialect's name: "torch".
constexpr std::string_view name_of(csv_dialect d) {
  constexpr std::string_view names[] = {"own", "torch", "torchtitan", "old"};
  return names[static_cast<int>(d)];
}

namespace detail {

/// Whether a text may name the pass; `name` is the graph's.
constexpr bool holds_pass(csv_dialect d, std::string_view name) {
  if (d == csv_dialect::own) return true;
  if (name == "F" || name == "I" || name == "W" || name == "B") return true;
  if (d == csv_dialect::torchtitan) return false;
  return name == "UNSHARD" || name == "RESHARD" || (name == "REDUCE_GRAD" && d == csv_dialect::torch);
}

/// Whether a text may hold messages of that name.
constexpr bool holds_message(csv_dialect d, std::string_view name) {
  return d == csv_dialect::own || (d != csv_dialect::torchtitan && (name == "F" || name == "B"));
}

/// How the text writes the graph's pass.
constexpr std::string_view letters_of(csv_dialect d, std::string_view name) {
  if (d == csv_dialect::old && name == "I") return "B";
  if (d == csv_dialect::old && name == "B") return "BW";
  return name;
}

/// Which pass of the graph the text means by its letters; empty where the dialect has no such pass.
constexpr std::string_view pass_of(csv_dialect d, std::string_view letters) {
  if (d == csv_dialect::old && letters == "BW") return "B";
  if (d == csv_dialect::old && letters == "B") return "I";
  if (d == csv_dialect::old && letters == "I") return "";
  return holds_pass(d, letters) ? letters : std::string_view();
}

/// Whether messages of this row go from one pass to several places.
constexpr bool fans_out(const graph& g, int row) {
  return row < g.edge_count && (g.edges[row].how == relation::first_hop || g.edges[row].how == relation::last_hop);
}

/// Says that a name is no pass of the dialect, and which dialect's it must be where that is certain.
constexpr text unknown_pass(csv_dialect d, const graph& g, std::string_view name) {
  const bool message = name.substr(0, 5) == "SEND_" || name.substr(0, 5) == "RECV_";
  text t("'", name);
  if (d == csv_dialect::own) t.add("' is no pass of this graph");
  else t.add("' is no pass of the dialect ", name_of(d));
  if (d != csv_dialect::old && name == "BW")
    return t.add("; older versions of torch write B so, and I as B: read the text in the dialect old (csv_dialect::old, --dialect old)");
  if (d == csv_dialect::old && name == "I")
    return t.add(", where I is written B, and B is BW; read the text in the dialect torch (csv_dialect::torch, --dialect torch)");
  if (d == csv_dialect::torchtitan && (message ? holds_message(csv_dialect::torch, name.substr(5)) : holds_pass(csv_dialect::torch, name)))
    return t.add(", which is of F, I, W and B alone; read the text in the dialect torch (csv_dialect::torch, --dialect torch)");
  t.add("; it has");
  for (int p = 0; p < g.pass_count; ++p)
    if (g.has(p) && holds_pass(d, g.passes[p].name.str())) t.add(" ", letters_of(d, g.passes[p].name.str()));
  for (int e = 0; e < g.edge_count; ++e)
    if (const std::string_view m = g.edges[e].message.str(); !m.empty() && holds_message(d, m)) t.add(" SEND_", m, " RECV_", m);
  return t;
}

}  // namespace detail

}  // namespace stretto::inline v0
