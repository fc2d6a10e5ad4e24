// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "training.hpp"

namespace gpt {

int train_bf16(const settings& how) {
  as_threads ranks;
  return train<stretto::bf16>(how, ranks);
}

}  // namespace gpt
