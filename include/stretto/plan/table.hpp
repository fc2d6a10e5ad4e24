// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan as C++: a header that holds it as a constant, so that what was searched for, or read from a file, is a schedule
// that a program compiles in.
//
//     std::string to_table(p, "mine")      inline constexpr stretto::fixed_table<2, 8, 8> mine = …;
// The program then says static_plan<from_fixed_table<mine>, ranks<2>, micro_batches<2>>, and gets the plan as it was:
// lists, routes, groups, graph and name. schedule/from_table.hpp has the other side. Cost: O(entries); about 24 characters each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/graph.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/plan/plan_like.hpp>

namespace stretto::inline v0 {

namespace detail {

/// Numbers with commas, in rows of at most 120 characters behind an indentation.
class number_rows {
 public:
  number_rows(std::string& to, int spaces) : out(to), indent(static_cast<unsigned long>(spaces), ' ') {}
  void add(const std::string& item) {
    if (row.size() + item.size() + 2 + indent.size() > 120) flush();
    row += (row.empty() ? "" : " ") + item + ",";
  }
  void flush() {
    if (!row.empty()) out += indent + row + "\n";
    row.clear();
  }

 private:
  std::string& out;
  std::string indent, row;
};

/// The statements that make a graph again.
inline std::string graph_text(const graph& g) {
  const auto cast = [](const char* type, auto value) { return std::string("static_cast<stretto::") + type + ">(" + std::to_string(static_cast<int>(value)) + ')'; };
  const auto name = [](const label& l) { return "\"" + std::string(l.str()) + "\""; };
  std::string out;
  for (int p = 0; p < g.pass_count; ++p) {
    const pass_kind& k = g.passes[p];
    out += R"(        g.add(stretto::pass_kind{)" + name(k.name) + ", " + cast("lane", k.on) + ", " + cast("scope", k.by) + ", " + cast("share", k.per) + ", " +
           cast("times", k.how_often) + ", " + std::to_string(k.covers) + "u, " + std::to_string(k.group) + "});\n";
  }
  for (int e = 0; e < g.edge_count; ++e) {
    const edge& d = g.edges[e];
    out += R"(        g.add(stretto::edge{)" + std::to_string(d.consumer) + ", " + cast("relation", d.how) + ", " + std::to_string(d.producer) + ", " +
           name(d.message) + ", " + cast("hops", d.at) + ", " + std::to_string(d.from) + ", " + std::to_string(d.to) + "});\n";
  }
  return out;
}

/// Whether a word can name a variable: keywords, and names that C++ keeps for itself, can't.
inline bool is_identifier(std::string_view word) {
  constexpr std::string_view taken =  // by the language, and by what such a header names
      R"( alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl concept const
 consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete do double dynamic_cast else enum
 explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq
 private protected public register reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch
 template this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq
 main std stretto )";
  constexpr std::string_view signs = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  return signs.substr(0, 52).find_first_of(word.substr(0, 1)) != std::string_view::npos && word.find_first_not_of(signs) == std::string_view::npos &&
         word.find("__") == std::string_view::npos && (taken.find(" " + std::string(word) + " ") == std::string_view::npos && taken.find("\n" + std::string(word) + " ") == std::string_view::npos &&
          taken.find(" " + std::string(word) + "\n") == std::string_view::npos);
}

/// What stands between quotation marks for a name, whatever is in it.
inline std::string quoted(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c >= ' ' && c != 127 ? c : '?';
  }
  return out;
}

}  // namespace detail

/// A header that defines the plan as a constant named `id`. Throws stretto::error for what can't be a variable's name.
/// @post static_plan of the constant equals the plan.
inline std::string to_table(const plan_view& p, std::string_view id) {
  detail::must_be_made(p);
  if (!detail::is_identifier(id))
    throw error(text("stretto: a table is to be named '", id, "', which can't name a variable in C++; give letters, digits and _, a letter first, and no keyword").str());
  const std::string name(id), ranks = std::to_string(p.ranks), batches = std::to_string(p.micro_batches);
  const std::int64_t ints = detail::table_ints(p);
  const std::string type = "stretto::fixed_table<" + ranks + ", " + std::to_string(p.actions.count) + ", " + std::to_string(ints) + ">";
  const std::string schedule = "stretto::from_fixed_table<" + name + ">";
  std::string out = R"(// A plan as a constant: schedule )" + detail::quoted(p.name) + ", " + ranks + R"( ranks, )" + std::to_string(p.stages) + R"( stages, )" +
                    batches + R"( micro-batches)" + (p.slices > 1 ? ", " + std::to_string(p.slices) + R"( slices)" : "") + R"(.
//
//     constexpr auto& p = stretto::static_plan<)" + schedule + R"(,
//                                           stretto::ranks<)" + ranks + R"(>, stretto::micro_batches<)" + batches + ">" +
                    (p.slices > 1 ? R"(, stretto::slices<)" + std::to_string(p.slices) + ">" : "") + R"(>;
// An entry is {pass, role, slice, stage, micro-batch, peer}; passes by number:)";
  for (int k = 0; k < p.passes->pass_count; ++k)
    if (p.passes->has(k)) out += " " + std::to_string(k) + " " + std::string(p.passes->passes[k].name.str());
  out += ".\n#pragma once\n\n#include <stretto/schedule/from_table.hpp>\n\n";
  out += R"(inline constexpr )" + type + " " + name + " = [] {\n";

  constexpr const char* roles[] = {"run", "run_with_next", "send", "receive"};
  constexpr const char* words[] = {"r", "pair", "send", "receive"};
  bool used[4] = {};
  for (const action& a : p.actions) used[static_cast<int>(a.kind)] = true;
  for (int k = 0; k < 4; ++k)
    if (used[k]) out += R"(  constexpr auto )" + std::string(words[k]) + R"( = stretto::role::)" + roles[k] + ";\n";
  out += R"(  return )" + type + R"({
      .begin = {{
)";
  detail::number_rows rows(out, 10);
  for (int r = 0; r <= p.ranks; ++r) rows.add(std::to_string(p.rows[r]));
  rows.flush();
  out += R"(      }},
      .actions = {{
)";
  for (int r = 0; r < p.ranks; ++r) {
    out += R"(          // rank )" + std::to_string(r) + "\n";
    for (const action& a : p.order(r))
      rows.add("{" + std::to_string(a.pass) + ", " + words[static_cast<int>(a.kind)] + ", " + std::to_string(a.slice) + ", " + std::to_string(a.stage) + ", " +
               std::to_string(a.micro_batch) + ", " + std::to_string(a.peer) + "}");
    rows.flush();
  }
  if (p.actions.count == 0) out += R"(          {},)" "\n";
  out += R"(      }},
      .stages = )" + std::to_string(p.stages) + R"(,
      .micro_batches = )" + batches + R"(,
      .slices = )" + std::to_string(p.slices) + R"(,
      .routes = )" + std::to_string(p.routes) + R"(,
      .groups = )" + std::to_string(p.groups) + R"(,
      .ints = {{
)";
  for (std::int64_t i = 0; i < ints; ++i) rows.add(std::to_string(p.route_ints[i]));
  rows.flush();
  out += R"(      }},
      .passes = )";
  const std::string graph_of = detail::graph_text(*p.passes);
  if (graph_of == detail::graph_text(training())) out += "stretto::training";
  else if (graph_of == detail::graph_text(inference())) out += "stretto::inference";
  else out += R"([] {
        stretto::graph g;
)" + graph_of + R"(        return g;
      })";
  if (!p.name.empty()) out += R"(,
      .name = ")" + detail::quoted(p.name) + '"';
  return out + ",\n  };\n}();\n";
}

}  // namespace stretto::inline v0
