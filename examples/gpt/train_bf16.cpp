// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "training.hpp"

namespace gpt {

int train_bf16(const settings& how) { return train<stretto::bf16>(how); }

}  // namespace gpt
