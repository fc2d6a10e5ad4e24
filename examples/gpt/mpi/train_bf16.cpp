// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "processes.hpp"
#include "training.hpp"

namespace gpt {

int train_bf16(const settings& how) {
  as_processes ranks(processes());
  return train<stretto::bf16>(how, ranks);
}

}  // namespace gpt
