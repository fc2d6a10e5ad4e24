// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "training.hpp"

namespace gpt {

int train_fp16(const settings& how) {
  as_threads ranks;
  return train<stretto::fp16>(how, ranks);
}

}  // namespace gpt
