// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plans as text, both ways, in the CSV grammar of torch.distributed.pipelining: one row a rank, one cell an entry.
//
//     0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1
//     1RECV_F0,1F0,1RECV_F1,1B0,1SEND_B0,1F1,1B1,1SEND_B1
//
//     cell    := stage PASS [micro-batch [s slice] [> place]] | ( cell ; cell ) OVERLAP_F_B | nothing
//     PASS    := the name of a pass of the graph, or SEND_ or RECV_ and the name of an edge's messages
//     route   := "route" (stage @ rank)… : (micro-batch [- micro-batch])…        rows behind those of the ranks
//     group   := "group" rank…                                                   likewise
// What other tools do differently, csv_dialect.hpp lists; to_csv(plan, csv_dialect::torch) writes for them.
// Nothing is an idle cell: it is read and dropped; blanks around cells are, too, and a row may end in CR LF. Else reading
// is strict: what isn't in the grammar is an error with line and column, never skipped. Extensions beyond torch's grammar:
// s, the slice; where one pass sends to several places, > and the place (3SEND_S0>2); and routes. Several that pass all
// stages in turn are told apart by a lower-case letter before the micro-batch (0Fa3 and 0Fb3 are micro-batch 3 of the
// first and of the second); others are written down in rows of their own (route 0@0 2@2 : 1 3-5), and so are groups of
// ranks, in their order.
#pragma once

#include <string>
#include <string_view>

#include <stretto/core/error.hpp>
#include <stretto/plan/csv_reader.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/plan/verdict.hpp>

namespace stretto::inline v0 {

namespace detail {

/// What of a plan a dialect has no way to write; empty where it can write all.
inline text unwritable(const plan_view& p, csv_dialect d) {
  const graph& g = *p.passes;
  if (d == csv_dialect::own) return {};
  if (p.slices > 1) return text("slices");
  if (p.routes > 1) return text("several routes");
  if (!in_turn(p.route(0))) return text("a route that doesn't pass all stages in turn");
  if (p.groups > 0) return text("groups of ranks");
  for (const action& a : p.actions) {
    const bool message = a.is_message(), known = message || g.has(a.pass);
    const std::string_view name = message ? g.edges[a.pass].message.str() : known ? g.passes[a.pass].name.str() : std::string_view();
    if (a.kind == role::run_with_next && d == csv_dialect::old) return text("overlapped pairs");
    if (message ? !holds_message(d, name) || fans_out(g, a.pass) : !known || !holds_pass(d, name)) return text("the action ", name_of(g, a).str());
  }
  return {};
}

}  // namespace detail

/// The plan's lists as CSV. Throws stretto::error where the dialect can't write what the plan has.
/// @post read_csv gives them back, where the plan lacks nothing.
inline std::string to_csv(const plan_view& p, csv_dialect dialect = csv_dialect::own) {
  const naming name(p);
  std::string out;
  if (p.ranks == 0) return out;
  if (const text what = detail::unwritable(p, dialect); !what.empty())
    throw error(text("stretto: the plan has ", what.str(), ", which the dialect ", name_of(dialect), " can't write; write it in the dialect own").str());
  const auto cell = [&](const action& a) {
    const std::string_view kind = a.is_message() || !p.passes->has(a.pass) ? std::string_view() : p.passes->passes[a.pass].name.str();
    if (const std::string_view letters = detail::letters_of(dialect, kind); letters != kind) {
      out += std::to_string(a.stage);
      out += letters;
      out += std::to_string(a.micro_batch);
      return;
    }
    out += name(a).str();
    if (a.kind == role::send && detail::fans_out(*p.passes, a.pass)) {
      out += '>';
      out += std::to_string(a.peer);
    }
  };
  for (int r = 0; r < p.ranks; ++r) {
    const view<const action> list = p.order(r);
    bool second = false;
    for (std::int64_t i = 0; i < list.count; ++i) {
      if (i > 0) out += second ? ';' : ',';
      const bool first = list[i].kind == role::run_with_next;
      if (first) out += '(';
      cell(list[i]);
      if (second) out += ")OVERLAP_F_B";
      second = first;
    }
    if (list.count == 0) out += ',';  // a rank with nothing to do
    out += '\n';
  }
  const bool known = name.by_letter() || (p.routes == 1 && in_turn(p.route(0)));
  for (int i = 0; i < p.routes && !known; ++i) {
    const route_view r = p.route(i);
    out += "route";
    for (int s = r.first(); s >= 0; s = r.next(s)) out += " " + std::to_string(s) + "@" + std::to_string(r.rank_of(s));
    out += " :";
    for (int m = 0; m < p.micro_batches; ++m) {
      if (p.route_index(m) != i) continue;
      int last = m;
      while (last + 1 < p.micro_batches && p.route_index(last + 1) == i) ++last;
      out += " " + std::to_string(m);
      if (last > m) out += "-" + std::to_string(last);
      m = last;
    }
    out += '\n';
  }
  for (int g = 0; g < p.groups; ++g) {
    out += "group";
    for (int i = 0; i < p.group_size(g); ++i) out += " " + std::to_string(p.group_member(g, i));
    out += '\n';
  }
  return out;
}

}  // namespace stretto::inline v0
