// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "training.hpp"

namespace gpt {

int train_fp16(const settings& how) { return train<stretto::fp16>(how); }

}  // namespace gpt
