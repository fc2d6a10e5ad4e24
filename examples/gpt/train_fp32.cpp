// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "training.hpp"

namespace gpt {

int train_fp32(const settings& how) {
  as_threads ranks;
  return train<float>(how, ranks);
}

}  // namespace gpt
