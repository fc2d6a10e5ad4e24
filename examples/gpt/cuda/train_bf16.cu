// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "streams.hpp"

#include "../training.hpp"

namespace gpt {

int train_bf16_on_cuda(const settings& how) {
  as_streams<stretto::cuda::runtime> ranks(how);
  return train<stretto::bf16>(how, ranks);
}

}  // namespace gpt
