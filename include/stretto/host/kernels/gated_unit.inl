// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gated units, forward and backward: numeric/gated_unit.hpp in lanes.
template <activation Kind, class T>
void gate_runs(const elementwise_arguments<T, 2, 1>& a, std::int64_t first, std::int64_t last, const worker&) {
  each_run(a.blocks, first, last, [&](std::int64_t row, std::int64_t column, std::int64_t count) {
    const T* const gate = a.in[0] + row * a.in_gap[0] + column;
    const T* const up = a.in[1] + row * a.in_gap[1] + column;
    T* const h = a.out[0] + row * a.out_gap[0] + column;
    write_row<std::is_same_v<T, bf16>>(h, count, a.blocks.streams, [&](std::int64_t i, auto get) { return mul(activated<Kind>(get(gate + i)), get(up + i)); });
  });
}

template <activation Kind, class T>
void gate_gradient_runs(const elementwise_arguments<T, 3, 2>& a, std::int64_t first, std::int64_t last, const worker&) {
  each_run(a.blocks, first, last, [&](std::int64_t row, std::int64_t column, std::int64_t count) {
    const T* const gate = a.in[0] + row * a.in_gap[0] + column;
    const T* const up = a.in[1] + row * a.in_gap[1] + column;
    const T* const dh = a.in[2] + row * a.in_gap[2] + column;
    T* const dgate = a.out[0] + row * a.out_gap[0] + column;
    T* const dup = a.out[1] + row * a.out_gap[1] + column;
    write_two_rows<std::is_same_v<T, bf16>>(dgate, dup, count, a.blocks.streams, [&](std::int64_t i, auto get) {
      const activation_parts f = activated_with_slope<Kind>(get(gate + i));
      const lanes d = get(dh + i);
      return two_results{mul(mul(d, get(up + i)), f.slope), mul(d, f.value)};
    });
  });
}
