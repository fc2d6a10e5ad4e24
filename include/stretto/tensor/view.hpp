// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tensor_view<T, Rank, Space>: borrowed numbers with a shape. The last dimension is contiguous, the others have strides,
// so that a block of columns (the queries in a product that holds queries, keys and values) is a view, too.
//
//     tensor_view<float, 2> y(p, {1024, 1536});            1024 rows of 1536
//     y.columns(512, 512)                                  (1024, 512), rows 1536 apart: no copy
//     y.rows(8, 4)                                         (4, 1536)
//     tensor_view<float, 3>(p, {4, 256, 1536}).matrix()    (1024, 1536): all dimensions but the last as rows
// Like std::span a view is a pointer: copying one copies no numbers, and a const view of float may be written through.
// tensor_view<const float, 2> may not; any view converts to it.
#pragma once

#include <cstdint>
#include <type_traits>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/tensor/element.hpp>
#include <stretto/tensor/memory.hpp>

namespace stretto::inline v0 {

/// Extents, outermost first.
template <int Rank>
struct shape {
  static_assert(Rank >= 1 && Rank <= 8, "stretto: a shape has 1 to 8 dimensions");
  std::int64_t extent[Rank];

  constexpr std::int64_t operator[](int i) const { return extent[i]; }
  /// Throws where there can't be as many. Of a view, size() has been through this.
  constexpr std::int64_t count() const {
    std::int64_t n = 1;
    bool none = false;
    for (const std::int64_t e : extent) {
      if (e < 0) throw error(text("stretto: a tensor of shape ", words().str(), " has fewer than no elements; give extents of 0 or more").str());
      if (e > 0 && n > INT64_MAX / 16 / e) throw error(text("stretto: a tensor of shape ", words().str(), " has more elements than there are addresses; correct its extents").str());
      n *= e > 0 ? e : 1;
      none = none || e == 0;
    }
    return none ? 0 : n;
  }
  constexpr text words() const {
    text t("(");
    for (int i = 0; i < Rank; ++i) t.add(i > 0 ? ", " : "", extent[i]);
    return t.add(")"), t;
  }
  friend constexpr bool operator==(const shape&, const shape&) = default;
};

namespace detail {

/// Where a row begins. Null, where there are no numbers, stays null: nothing may be added to it.
template <class T>
constexpr T* row_at(T* first, std::int64_t row, std::int64_t gap) {
  return first == nullptr ? first : first + row * gap;
}

}  // namespace detail

template <class T, int Rank, class Space = host_memory>
class tensor_view {
 public:
  static_assert(element<T>, "stretto: a tensor holds double, float, bf16, fp16, an integer or bool; give it one of them");
  using value_type = std::remove_const_t<T>;
  using space = Space;
  static constexpr int rank = Rank;

  constexpr tensor_view() = default;

  /// Numbers without gaps.
  constexpr tensor_view(T* first, const shape<Rank>& s) : data_(first), shape_(s) {
    s.count();  // throws where it can't be
    std::int64_t step = 1;
    for (int i = Rank - 1; i >= 0; --i) {
      stride_[i] = step;
      step *= s[i] > 0 ? s[i] : 1;
    }
  }

  /// Numbers with gaps: stride[i] is how far neighbours along dimension i are apart, in elements.
  constexpr tensor_view(T* first, const shape<Rank>& s, const std::int64_t (&stride)[Rank]) : tensor_view(first, s) {
    if (stride[Rank - 1] != 1) throw error("stretto: the last dimension of a tensor is contiguous; give it a stride of 1, or copy");
    for (int i = 0; i < Rank; ++i) stride_[i] = stride[i];
  }

  /// Of what may be written, a view that may not.
  template <class U>
    requires(std::is_const_v<T> && std::is_same_v<U, value_type>)
  constexpr tensor_view(const tensor_view<U, Rank, Space>& other)
      : data_(other.data()), shape_(other.extents()) {
    for (int i = 0; i < Rank; ++i) stride_[i] = other.stride(i);
  }

  constexpr tensor_view(const view<T>& run)
    requires(Rank == 1)
      : tensor_view(run.first, {{run.count}}) {}

  constexpr T* data() const { return data_; }
  constexpr const shape<Rank>& extents() const { return shape_; }
  constexpr std::int64_t extent(int i) const { return shape_[i]; }
  constexpr std::int64_t stride(int i) const { return stride_[i]; }
  constexpr std::int64_t size() const {
    std::int64_t n = 1;
    for (const std::int64_t e : shape_.extent) n *= e;
    return n;
  }
  constexpr bool empty() const { return size() == 0; }

  /// Rows and columns of a matrix.
  constexpr std::int64_t rows() const requires(Rank == 2) { return shape_[0]; }
  constexpr std::int64_t columns() const requires(Rank == 2) { return shape_[1]; }
  constexpr T* row(std::int64_t i) const requires(Rank == 2) { return detail::row_at(data_, i, stride_[0]); }

  template <class... Index>
    requires(sizeof...(Index) == Rank && (std::is_integral_v<Index> && ...))
  constexpr T& operator()(Index... index) const {
    static_assert(Space::reachable, "stretto: these numbers aren't in the CPU's memory; copy them there first");
    const std::int64_t at[] = {static_cast<std::int64_t>(index)...};
    std::int64_t offset = 0;
    for (int i = 0; i < Rank; ++i) offset += at[i] * stride_[i];
    return data_[offset];
  }

  /// Whether the numbers have no gaps.
  constexpr bool packed() const {
    std::int64_t step = 1;
    for (int i = Rank - 1; i >= 0; --i) {
      if (shape_[i] != 1 && stride_[i] != step) return false;
      step *= shape_[i] > 0 ? shape_[i] : 1;
    }
    return true;
  }

  /// `count` neighbours along a dimension, from `first` on.
  constexpr tensor_view part(int dimension, std::int64_t first, std::int64_t count) const {
    if (first < 0 || count < 0 || first > shape_[dimension] - count)
      throw error(text("stretto: ", count, " from ", first, " on aren't in dimension ", dimension, " of a tensor of shape ", shape_.words().str(), "; stay within it").str());
    tensor_view t = *this;
    t.data_ = detail::row_at(data_, first, stride_[dimension]);
    t.shape_.extent[dimension] = count;
    return t;
  }
  constexpr tensor_view rows(std::int64_t first, std::int64_t count) const requires(Rank == 2) { return part(0, first, count); }
  constexpr tensor_view columns(std::int64_t first, std::int64_t count) const requires(Rank == 2) { return part(1, first, count); }

  /// One of the outermost dimension: a view of a dimension less.
  constexpr tensor_view<T, Rank - 1, Space> operator[](std::int64_t i) const requires(Rank > 1) {
    shape<Rank - 1> s{};
    std::int64_t strides[Rank - 1];
    for (int d = 1; d < Rank; ++d) s.extent[d - 1] = shape_[d], strides[d - 1] = stride_[d];
    return {detail::row_at(data_, i, stride_[0]), s, strides};
  }
  constexpr T& operator[](std::int64_t i) const requires(Rank == 1) { return data_[i]; }

  /// All dimensions but the last as rows. Throws where they have gaps between them.
  constexpr tensor_view<T, 2, Space> matrix() const requires(Rank >= 2) {
    for (int i = 0; i + 2 < Rank; ++i)
      if (shape_[i] != 1 && stride_[i] != stride_[i + 1] * shape_[i + 1])
        throw error(text("stretto: the rows of a tensor of shape ", shape_.words().str(), " aren't equally far apart; copy it first").str());
    std::int64_t rows = 1;
    for (int i = 0; i + 1 < Rank; ++i) rows *= shape_[i];
    const std::int64_t strides[2] = {stride_[Rank - 2], 1};
    return {data_, {{rows, shape_[Rank - 1]}}, strides};
  }

  /// The same numbers in another shape. Throws where there are gaps, or where the counts differ.
  template <int Other>
  constexpr tensor_view<T, Other, Space> shaped(const shape<Other>& s) const {
    if (!packed() || s.count() != size())
      throw error(text("stretto: a tensor of shape ", shape_.words().str(), packed() ? "" : " with gaps", " can't be seen as ", s.words().str(), "; copy it, or correct the shape").str());
    return {data_, s};
  }

 protected:
  T* data_ = nullptr;
  shape<Rank> shape_{};
  std::int64_t stride_[Rank] = {};
};

/// What an operation reads where it writes T: deduced from the result alone, so that any view converts.
template <class T, int Rank, class Space = host_memory>
using reads = tensor_view<const std::type_identity_t<T>, Rank, Space>;
/// Likewise of what it writes besides.
template <class T, int Rank, class Space = host_memory>
using writes = tensor_view<std::type_identity_t<T>, Rank, Space>;

}  // namespace stretto::inline v0
