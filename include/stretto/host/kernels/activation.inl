// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations of matrices: one function of lanes after the other.
template <activation Kind, class T>
void activate_runs(const elementwise_arguments<T, 1, 1>& a, std::int64_t first, std::int64_t last, const worker&) {
  each_run(a.blocks, first, last, [&](std::int64_t row, std::int64_t column, std::int64_t count) {
    const T* const x = a.in[0] + row * a.in_gap[0] + column;
    T* const y = a.out[0] + row * a.out_gap[0] + column;
    write_row<std::is_same_v<T, bf16>>(y, count, a.blocks.streams, [&](std::int64_t i, auto get) { return activated<Kind>(get(x + i)); });
  });
}

/// dy times how steep the activation is at x.
template <activation Kind, class T>
void activation_gradient_runs(const elementwise_arguments<T, 2, 1>& a, std::int64_t first, std::int64_t last, const worker&) {
  each_run(a.blocks, first, last, [&](std::int64_t row, std::int64_t column, std::int64_t count) {
    const T* const x = a.in[0] + row * a.in_gap[0] + column;
    const T* const dy = a.in[1] + row * a.in_gap[1] + column;
    T* const dx = a.out[0] + row * a.out_gap[0] + column;
    write_row<std::is_same_v<T, bf16>>(dx, count, a.blocks.streams, [&](std::int64_t i, auto get) { return mul(get(dy + i), activation_slope<Kind>(get(x + i))); });
  });
}
