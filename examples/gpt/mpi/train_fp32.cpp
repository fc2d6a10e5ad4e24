// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "processes.hpp"
#include "training.hpp"

namespace gpt {

int train_fp32(const settings& how) {
  as_processes ranks(processes());
  return train<float>(how, ranks);
}

}  // namespace gpt
