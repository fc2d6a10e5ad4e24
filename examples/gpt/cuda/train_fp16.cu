// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "streams.hpp"

namespace gpt {

int train_fp16_on_cuda(const settings& how) { return train_on_cuda<stretto::fp16>(how); }
int train_fp16_checked(const settings& how) { return train_checked<stretto::fp16>(how); }

}  // namespace gpt
