// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// matrix_product(queue, a, b, c) on a CUDA device: c = a b by cuBLASLt, with what stands around a product in a model.
//
//     matrix_product(q, x, transposed(w), y, {.bias = b, .kind = activation::gelu_tanh, .before = h});     one kernel
//     matrix_product(q, x, transposed(w), y, {.residual = r});                                             one kernel
//     matrix_product(q, transposed(dy), x, dw, {.accumulate = true});                                      dw += dyᵀ x, dw in float
//     matrix_product(q, x, w, y, {.kind = activation::gelu});             two: sums in float in scratch memory, then the rest
// a and b are both of float, bf16 or fp16; c is of the same type or float. Sums are float. Products of float multiply all bits,
// or 11 of them where the queue has tf32. Which algorithm does a product hangs on its key alone (product_key.hpp), so a product
// has the same bits in every run on the same kind of device; product_library.hpp says how it is chosen.
//
//     done behind the library's sums    bias; gelu_tanh in 16 bits, with `before`; a residual where no activation stands before it
//     finished by another kernel        all else, and what stands at addresses that aren't multiples of 16 bytes
// What the library has no algorithm for, at odd addresses, a plain kernel does.
// Cost: the library's. Scratch memory: half of the queue's, 32 MiB at most, is the library's workspace; sums that are finished
// later take what is left, in blocks of rows.
// Source: cuBLAS 13 documentation.
#pragma once

#include <stretto/cuda/kernels/matrix_product.cuh>
#include <stretto/cuda/packed_matrix.hpp>
#include <stretto/cuda/product_library.hpp>
#include <stretto/cuda/product_options.hpp>
#include <stretto/cuda/row_shapes.hpp>

namespace stretto::inline v0::cuda {

namespace detail {

inline int product_align(const void* first) {
  const auto at = reinterpret_cast<std::uintptr_t>(first);
  return at % 16 == 0 ? 16 : at % 8 == 0 ? 8 : at % 4 == 0 ? 4 : 2;
}
/// A run from an operand's first number to its last.
template <class T, class Space>
memory_run product_run(const product_operand<T, Space>& m) {
  const std::int64_t rows = m.transposed ? m.columns : m.rows, columns = m.transposed ? m.rows : m.columns;
  return {m.data, rows == 0 || columns == 0 ? 0 : ((rows - 1) * m.gap + columns) * static_cast<std::int64_t>(sizeof(T))};
}

/// A product on its way.
template <class Runtime, class T, class C>
struct STRETTO_OPERATION product_call {
  using operand = product_operand<T, basic_memory<Runtime>>;
  using options = basic_product_options<Runtime, C>;
  using result = tensor_view<C, 2, basic_memory<Runtime>>;

  basic_queue<Runtime>& q;
  operand a, b;
  result c;
  options o;

  std::int64_t workspace() const {
    const std::int64_t half = q.scratch_bytes() / 2 / 256 * 256;
    return half < 32 << 20 ? half : 32 << 20;
  }
  static std::int64_t gap_of(const operand& m) {
    const std::int64_t rows = m.transposed ? m.columns : m.rows, columns = m.transposed ? m.rows : m.columns;
    return rows > 1 ? m.gap : columns > m.gap ? columns : m.gap;
  }
  template <class V>
  static std::int64_t gap_of(const V& v) {
    return v.rows() > 1 ? v.stride(0) : v.columns();
  }

  /// Sums into a result of R, with or without what the library does behind them. False where it can't.
  template <class R, class Source>
  bool by_library(const operand& left, const tensor_view<R, 2, basic_memory<Runtime>>& to, int epilogue, const Source& source) const {
    const std::int64_t stored = left.transposed ? left.rows : left.columns, b_stored = b.transposed ? b.rows : b.columns;
    product_key k{.input = element_traits<T>::type, .output = element_traits<R>::type, .tf32 = std::is_same_v<T, float> && q.options().tf32, .a_transposed = left.transposed,
                  .b_transposed = b.transposed, .adds = source.data() != nullptr, .epilogue = epilogue, .rows = left.rows, .columns = b.columns, .depth = left.columns,
                  .a_gap = gap_of(left), .b_gap = gap_of(b), .c_gap = gap_of(to)};
    if (k.depth == 0 || k.a_gap < stored || k.b_gap < b_stored || k.c_gap < k.columns) return false;
    k.source_gap = k.adds ? gap_of(source) : 0;
    if (k.adds && k.source_gap < k.columns) return false;
    k.before_gap = (epilogue & product_before) != 0 ? gap_of(o.before) : 0;
    k.a_align = product_align(left.data), k.b_align = product_align(b.data), k.c_align = product_align(to.data());
    k.source_align = k.adds ? product_align(source.data()) : k.c_align;
    const std::int64_t room = workspace();
    void* const scratch = q.template scratch<char>(room, "a matrix product");
    const auto bias = (epilogue & product_bias) != 0 ? o.bias : decltype(o.bias){};
    const auto before = (epilogue & product_before) != 0 ? o.before : decltype(o.before){};
    if constexpr (Runtime::watches) {
      q.launch("matrix_product", static_cast<void (*)(int)>(nullptr), {}, 0, reads_of(product_run(left), product_run(b), bias, source), writes_of(to, before, memory_run{scratch, room}));
    } else {
      product_library& lt = q.template kept<product_library>([&] { return std::make_shared<product_library>(q.device(), q.options().product_table, room); });
      const product_plan* const plan = lt.plan(k);
      if (plan == nullptr) return false;
      lt.multiply(*plan, {left.data, b.data, source.data(), to.data(), bias.data(), before.data()}, scratch, q.where());
    }
    return true;
  }

  product_end<C> end_of(const result& rows, std::int64_t first, bool adds) const {
    const auto from = [&](const auto& v) { return v.data() == nullptr ? nullptr : v.row(first); };
    return {rows.data(), rows.stride(0), o.bias.data(), from(o.before), o.before.stride(0), from(o.residual), o.residual.stride(0), rows.rows(), rows.columns(), o.kind, adds};
  }

  /// What the library does behind the sums, or -1 where it can't do all that is asked for.
  int whole_epilogue() const {
    const auto lined = [](const auto& v) { return product_align(v.data()) == 16; };
    int e = o.bias.data() != nullptr ? product_bias : 0;
    if (o.bias.data() != nullptr && !lined(o.bias)) return -1;
    if (o.kind != activation::none && (o.kind != activation::gelu_tanh || sizeof(C) != 2)) return -1;  // to 16 bits the library's gelu is exact enough
    if (o.kind == activation::gelu_tanh) e |= product_gelu;
    if (o.before.data() != nullptr) {
      if (o.kind != activation::gelu_tanh || !lined(o.before) || gap_of(o.before) % 8 != 0) return -1;
      e |= product_before;
    }
    if (o.residual.data() != nullptr && (o.kind != activation::none || o.accumulate)) return -1;
    return e;
  }

  void run() const {
    const tensor_view<const C, 2, basic_memory<Runtime>> itself = c, none{};
    const int epilogue = whole_epilogue();
    if (epilogue >= 0 && by_library(a, c, epilogue, o.accumulate ? itself : o.residual)) return;
    const bool finishes = o.bias.data() != nullptr || o.before.data() != nullptr || o.kind != activation::none || o.residual.data() != nullptr;
    if (finishes && (std::is_same_v<C, float> && !stretto::detail::overlap(o.residual, c) ? in_place() : through_room())) return;
    plainly();
  }

  /// Sums stand where c does, in float.
  bool in_place() const {
    if constexpr (std::is_same_v<C, float>) {
      const tensor_view<const C, 2, basic_memory<Runtime>> itself = c, none{};
      if (!by_library(a, c, 0, o.accumulate ? itself : none)) return false;
      finish(c.data(), c.stride(0), c, 0, false, {});
      return true;
    } else {
      return false;
    }
  }
  /// Blocks of rows, whose sums stand in scratch memory behind the workspace.
  bool through_room() const {
    const std::int64_t begin = workspace(), row_bytes = c.columns() * static_cast<std::int64_t>(sizeof(float));
    std::int64_t fit = (q.scratch_bytes() - begin) / row_bytes;
    fit = fit >= c.rows() ? c.rows() : fit / 16 * 16 > 0 ? fit / 16 * 16 : 1;
    char* const scratch = q.template scratch<char>(begin + fit * row_bytes, "a matrix product");
    float* const sums = reinterpret_cast<float*>(scratch + begin);
    const tensor_view<const float, 2, basic_memory<Runtime>> none{};
    for (std::int64_t first = 0; first < c.rows(); first += fit) {
      const std::int64_t rows = c.rows() - first < fit ? c.rows() - first : fit;
      operand left = a;
      left.data += a.transposed ? first : first * a.gap, left.rows = rows;
      const tensor_view<float, 2, basic_memory<Runtime>> to(sums, {{rows, c.columns()}});
      if (!by_library(left, to, 0, none)) {  // by its address: later rows may begin at another
        if (first == 0) return false;
        plainly(first);
        return true;
      }
      finish(sums, c.columns(), c.rows(first, rows), first, o.accumulate, {sums, rows * row_bytes});
    }
    return true;
  }

  void finish(const float* sums, std::int64_t gap, const result& rows, std::int64_t first, bool adds, const memory_run& room) const {
    const finish_arguments<C> f{sums, gap, end_of(rows, first, adds)};
    const auto lines = [&](const auto& v) { return v.data() == nullptr || in_lines(v.data(), v.stride(0), v.columns()); };
    const bool lined = in_lines(sums, gap, rows.columns()) && lines(rows) && lines(o.before) && lines(o.residual) && (o.bias.data() == nullptr || product_align(o.bias.data()) == 16);
    const std::int64_t across = lined ? rows.columns() / in_line<C> : rows.columns(), threads = across >= 256 ? 256 : (across + 31) / 32 * 32;
    const launch_shape shape{.blocks = (across + threads - 1) / threads, .threads = static_cast<int>(threads), .rows = rows.rows() < 65535 ? rows.rows() : 65535};
    const auto part = [&](const auto& v) { return v.data() == nullptr ? v : v.rows(first, rows.rows()); };
    const auto read = reads_of(room, o.bias, part(o.residual));
    const auto written = writes_of(rows, part(o.before));
    if (lined) q.launch("matrix_product_end", finish_product<in_line<C>, C>, shape, f, read, written);
    else q.launch("matrix_product_end", finish_product<1, C>, shape, f, read, written);
  }

  /// From a row on.
  void plainly(std::int64_t first = 0) const {
    const result rest = c.rows(first, c.rows() - first);
    const std::int64_t tiles = (rest.rows() + 63) / 64 * ((c.columns() + 63) / 64);
    const plain_product_arguments<T, C> p{a.data + (a.transposed ? first : first * a.gap), b.data, a.transposed ? 1 : a.gap, a.transposed ? a.gap : 1, b.transposed ? 1 : b.gap,
                                          b.transposed ? b.gap : 1, a.columns, end_of(rest, first, o.accumulate)};
    q.launch("plain_matrix_product", plain_product<T, C>, {.blocks = tiles < 1 << 30 ? tiles : 1 << 30}, p, reads_of(product_run(a), product_run(b), o.bias, o.residual), writes_of(c, o.before));
  }
};

/// Whether a right-hand matrix may be given: a view, transposed, or packed.
template <class M>
inline constexpr bool is_packed = false;
template <class Runtime, class T>
inline constexpr bool is_packed<basic_packed_matrix<Runtime, T>> = true;

}  // namespace detail

/// c = a b. Throws stretto::error where the shapes don't go together.
template <class Runtime, class A, class B, class C>
STRETTO_OPERATION void matrix_product(basic_queue<Runtime>& q, const A& a, const B& b, const tensor_view<C, 2, basic_memory<Runtime>>& c,
                                      const basic_product_options<std::type_identity_t<Runtime>, std::type_identity_t<C>>& o = {}) {
  const auto l = operand_of(a);
  const auto r = operand_of(b);
  using T = typename decltype(l)::element;
  detail::check_row_type<T>();
  static_assert(!detail::is_packed<A>, "stretto: a packed matrix is the right-hand matrix of a product; give the left-hand one as it is");
  static_assert(std::is_same_v<decltype(l), decltype(r)>, "stretto: a product takes two matrices of one type; cast one");
  static_assert(std::is_same_v<T, C> || (std::is_same_v<C, float> && sizeof(T) == 2),
                "stretto: a product gives the type that it takes or, of bf16 and fp16, float; correct the result's type");
  stretto::detail::check_product(l, r, c, o);
  if (c.empty()) return;
  basic_product_options<Runtime, C> all = o;
  if (o.bias.empty()) all.bias = {};
  detail::product_call<Runtime, T, C>{q, l, r, c, all}.run();
}

}  // namespace stretto::inline v0::cuda
