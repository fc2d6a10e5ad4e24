// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// gpt: trains a decoder model over the ranks of a pipeline, shows it happening, and lets it write.
//
//     gpt                                      a small one on the project's own text, four ranks, 1F1B
//     gpt --schedule zb_h1 --dtype bf16 --html --trace
//     gpt --help
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>

#include "settings.hpp"

namespace gpt {

int train_fp32(const settings& how);
int train_bf16(const settings& how);
int train_fp16(const settings& how);

}  // namespace gpt

int main(int argc, char** argv) {
  try {
    gpt::settings how;
    stretto::arguments a("gpt", "Trains a decoder model over the ranks of a pipeline.");
    how.declare(a);
    if (!a.read(argc, argv)) return std::fputs(a.help().c_str(), stdout), 0;
    if (const std::string kept = how.out + "/gpt.conf"; how.resume && std::filesystem::exists(kept)) {  // what the run was told before
      a.read_file(kept);
      a.read(argc, argv);
    }
    std::fputs(a.table().c_str(), stdout);
    how.words = a.config();
    std::printf("\n");
    return how.dtype == "bf16" ? gpt::train_bf16(how) : how.dtype == "fp16" ? gpt::train_fp16(how) : gpt::train_fp32(how);
  } catch (const std::bad_alloc&) {
    std::fflush(stdout);
    std::fprintf(stderr, "stretto: gpt needs more memory than there is, or than it may have; take fewer layers, a smaller width or vocabulary, or --recompute\n");
    return 1;
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
