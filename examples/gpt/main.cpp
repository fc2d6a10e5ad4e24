// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// gpt: trains a decoder model over the ranks of a pipeline, shows it happening, and lets it write.
//
//     gpt                                      a small one on the project's own text, four ranks, 1F1B
//     gpt --schedule zb_h1 --dtype bf16 --html --trace
//     gpt --help
#include "program.hpp"

int main(int argc, char** argv) {
  return gpt::program(argc, argv, "gpt", [](gpt::settings&) {}, [](const gpt::settings&) {});
}
