// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Mesh arithmetic: the ranks of a run laid out along named axes, the first axis slowest.
//
//     mesh m{{"data", 2}, {"pipeline", 3}};          rank 0 1 2      data 0, pipeline 0 1 2
//                                                         3 4 5      data 1, pipeline 0 1 2
//     m.coordinate(4, "pipeline") -> 1     m.moved(4, "pipeline", +1) -> 5     m.along(4, "data") -> first 1, stride 3, 2 members
// A plan's rank is the pipeline coordinate. Cost: O(axes), no allocation, constexpr.
#pragma once

#include <initializer_list>
#include <string_view>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

struct mesh_axis {
  label name;
  int size;
};

/// Ranks of one line of the mesh: first, first + stride, …
struct mesh_line {
  int first = 0, stride = 1, members = 1;

  constexpr int operator[](int i) const { return first + i * stride; }
  friend constexpr bool operator==(const mesh_line&, const mesh_line&) = default;
};

class mesh {
 public:
  static constexpr int max_axes = 8;

  /// Throws stretto::error for a size below 1, a name that stands twice, more than eight axes or more than 2^31 - 1 ranks.
  constexpr mesh(std::initializer_list<mesh_axis> axes) {
    for (const mesh_axis& a : axes) {
      if (count_ == max_axes) throw error("stretto: a mesh has at most eight axes; merge some");
      if (a.size < 1) throw error(text("stretto: axis '", a.name, "' of the mesh has size ", a.size, "; give every axis at least one rank").str());
      if (find(a.name.str()) >= 0) throw error(text("stretto: axis '", a.name, "' stands twice in the mesh; give each axis its own name").str());
      if (ranks_ > 2147483647 / a.size) throw error("stretto: the mesh has more than 2147483647 ranks; make an axis smaller");
      axes_[count_++] = a;
      ranks_ *= a.size;
    }
  }

  constexpr int ranks() const { return ranks_; }
  constexpr int axes() const { return count_; }
  constexpr const mesh_axis& axis(int i) const { return axes_[i]; }

  /// The axis of that name, or -1.
  constexpr int find(std::string_view name) const {
    for (int i = 0; i < count_; ++i)
      if (axes_[i].name.str() == name) return i;
    return -1;
  }

  /// Size of an axis; 1 where the mesh doesn't have it, so that a model needn't know which axes a run uses.
  constexpr int size(std::string_view name) const {
    const int i = find(name);
    return i < 0 ? 1 : axes_[i].size;
  }

  /// Distance of neighbouring ranks along an axis.
  constexpr int stride(int axis) const {
    int s = 1;
    for (int i = count_ - 1; i > axis; --i) s *= axes_[i].size;
    return s;
  }

  /// Where a rank stands on an axis; 0 where the mesh doesn't have the axis.
  /// @post rank == sum over axes of coordinate × stride
  constexpr int coordinate(int rank, std::string_view name) const {
    check_rank(rank);
    const int i = find(name);
    return i < 0 ? 0 : rank / stride(i) % axes_[i].size;
  }

  /// The rank `by` places further along an axis, or -1 past its ends.
  constexpr int moved(int rank, std::string_view name, int by) const {
    const int at = coordinate(rank, name);
    const int i = find(name);
    const long long to = static_cast<long long>(at) + by;
    if (to < 0 || to >= size(name)) return -1;
    return i < 0 ? rank : rank + by * stride(i);
  }

  /// The ranks that differ from `rank` along one axis only, itself included: one communicator of that axis.
  constexpr mesh_line along(int rank, std::string_view name) const {
    const int i = find(name);
    if (i < 0) return {rank, 1, 1};
    return {rank - coordinate(rank, name) * stride(i), stride(i), axes_[i].size};
  }

  /// The coordinates of a rank in words: "data 1, pipeline 2".
  constexpr text place(int rank) const {
    text t;
    for (int i = 0; i < count_; ++i) t.add(i > 0 ? ", " : "", axes_[i].name, " ", coordinate(rank, axes_[i].name.str()));
    return t;
  }

 private:
  constexpr void check_rank(int rank) const {
    if (rank < 0 || rank >= ranks_) throw error(text("stretto: rank ", rank, " is not in the mesh of ", ranks_, " ranks; use 0 to ", ranks_ - 1).str());
  }

  mesh_axis axes_[max_axes] = {};
  int count_ = 0;
  int ranks_ = 1;
};

}  // namespace stretto::inline v0
