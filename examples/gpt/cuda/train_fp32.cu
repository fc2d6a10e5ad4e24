// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "streams.hpp"

namespace gpt {

int train_fp32_on_cuda(const settings& how) { return train_on_cuda<float>(how); }
int train_fp32_checked(const settings& how) { return train_checked<float>(how); }

}  // namespace gpt
