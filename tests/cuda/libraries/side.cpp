// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// STRETTO_SIDE is look_at_a or look_at_b.
#include "library.hpp"

void look_inside(library_report*);
extern "C" __attribute__((visibility("default"))) void STRETTO_SIDE(library_report* r) { look_inside(r); }
