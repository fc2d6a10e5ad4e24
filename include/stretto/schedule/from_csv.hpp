// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A schedule from a CSV text, as other tools write it (plan/csv.hpp has the grammar).
//
//     plan p = make_plan(from_csv("0F0,0B0\n1F0,1B0\n"));
//     plan q = make_plan(from_csv("0F0,0BW0\n1F0,1BW0\n", csv_dialect::old));      the same, as an older torch wrote it
// A text without any backward pass is read over the forward-only graph. Whether the order is valid, check says.
#pragma once

#include <string_view>

#include <stretto/core/error.hpp>
#include <stretto/plan/csv.hpp>
#include <stretto/plan/draft.hpp>

namespace stretto::inline v0 {

struct from_csv : draft {
  static constexpr const char* name = "csv";
  static constexpr const char* summary = "an order that is read from CSV";

  /// Throws stretto::error with line and column where the text can't be read.
  explicit from_csv(std::string_view source, csv_dialect dialect = csv_dialect::own) : from_csv(source, training(), dialect) {
    for (const auto& list : order_of)
      for (const action& a : list) {
        const pass_id what = a.is_message() ? kinds.edges[a.pass].consumer : a.pass;
        if (what != pass::forward && kinds.passes[what].how_often != times::any) return;
      }
    kinds = inference();
  }

  from_csv(std::string_view source, const graph& passes_of_text, csv_dialect dialect = csv_dialect::own) {
    csv_result r = read_csv(source, passes_of_text, dialect);
    if (!r.ok()) throw error(r.sentence(), {.line = r.line, .column = r.column});
    static_cast<draft&>(*this) = r.value;
  }
};

}  // namespace stretto::inline v0
