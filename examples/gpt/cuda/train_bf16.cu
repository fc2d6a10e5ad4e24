// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "streams.hpp"

namespace gpt {

int train_bf16_on_cuda(const settings& how) { return train_on_cuda<stretto::bf16>(how); }
int train_bf16_checked(const settings& how) { return train_checked<stretto::bf16>(how); }

}  // namespace gpt
