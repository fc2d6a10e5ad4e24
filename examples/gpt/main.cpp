// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// gpt: trains a decoder model over the ranks of a pipeline, shows it happening, and lets it write.
//
//     gpt                                      a small one on the project's own text, four ranks, 1F1B
//     gpt --schedule zb_h1 --dtype bf16 --html --trace
//     gpt --device cuda --dtype bf16           the ranks are four streams of a CUDA device
//     gpt --help
#include "program.hpp"

namespace gpt {

// What of cuda/ was compiled: STRETTO_GPT_CUDA.
int train_fp32_on_cuda(const settings& how);
int train_fp32_checked(const settings& how);
int train_bf16_on_cuda(const settings& how);
int train_bf16_checked(const settings& how);
int train_fp16_on_cuda(const settings& how);
int train_fp16_checked(const settings& how);

namespace {

trainer on_cuda(const std::string& dtype, bool checked) {
#ifdef STRETTO_GPT_CUDA_FRONT_END  // no kernel was compiled
  if (!checked) return nullptr;
#endif
#ifdef STRETTO_GPT_CUDA_FP32
  if (dtype == "fp32") return checked ? train_fp32_checked : train_fp32_on_cuda;
#endif
#ifdef STRETTO_GPT_CUDA_BF16
  if (dtype == "bf16") return checked ? train_bf16_checked : train_bf16_on_cuda;
#endif
#ifdef STRETTO_GPT_CUDA_FP16
  if (dtype == "fp16") return checked ? train_fp16_checked : train_fp16_on_cuda;
#endif
  static_cast<void>(dtype), static_cast<void>(checked);
  return nullptr;
}

}  // namespace

}  // namespace gpt

int main(int argc, char** argv) {
  return gpt::program(argc, argv, "gpt", [](gpt::settings&) {}, [](const gpt::settings&) {}, gpt::on_cuda);
}
