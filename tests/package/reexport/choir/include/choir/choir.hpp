// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <stretto/stretto.hpp>

namespace choir {

bool sings(int ranks, int micro_batches);

}  // namespace choir
