// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What operations on the rows of a matrix check of shapes, in the memory of any device.
//
//     check_matrix("rms_norm", "y", y, rows, columns);              throws where y hasn't that shape
//     check_run("rms_norm", "inverse", inverse, rows, "row");       throws where it isn't a number a row
// Cost: some comparisons.
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::detail {

/// A matrix of that shape.
template <class T, class Space>
void check_matrix(const char* operation, const char* name, const tensor_view<T, 2, Space>& m, std::int64_t rows, std::int64_t columns) {
  if (m.rows() != rows || m.columns() != columns)
    throw error(text("stretto: ", operation, " of ", rows, " rows and ", columns, " columns can't take ", name, " of shape ", m.extents().words().str(),
                     "; give it the same shape").str());
}

/// A number a row or a column; where it may be left out, {} is right, too.
template <class T, class Space>
void check_run(const char* operation, const char* name, const tensor_view<T, 1, Space>& run, std::int64_t count, const char* each, bool optional = false) {
  if (run.size() != count && !(optional && run.data() == nullptr))
    throw error(text("stretto: ", operation, " with ", count, " ", each, "s can't take ", name, " of ", run.size(), " numbers; give one a ", each).str());
}

}  // namespace stretto::inline v0::detail
