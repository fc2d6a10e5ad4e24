// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What libraries a and b have, each of its own: the same operations, compiled with other options.
//
//     launched        kernels that a call of each operation launches over a device that isn't there
//     foreign         those that aren't of the library that was called, or are launched by another's copy of the runtime
//     sum             1e-40 + 1e-40 by the real device: 2e-40, or 0 where numbers as little as that are zeros (-ftz=true)
#pragma once

struct library_report {
  int launched = 0, foreign = 0, faults = 0;
  bool has_device = false;
  float sum = 0, product = 0, attended = 0;
};

extern "C" {
void look_at_a(library_report*);
void look_at_b(library_report*);
}
