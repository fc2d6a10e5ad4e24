// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the programs gpt and gpt_mpi have in common: reading options, and saying what went wrong.
#pragma once

#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <string>

#include <stretto/run/dump.hpp>

#include "settings.hpp"

namespace gpt {

/// Trains as it is told, in one type of numbers.
using trainer = int (*)(const settings& how);

int train_fp32(const settings& how);
int train_bf16(const settings& how);
int train_fp16(const settings& how);

/// What computes nothing has a folder of its own, beside the files of runs that do.
inline void apart(settings& how) {
  if (how.device == "checked" && !how.out.ends_with("/checked")) how.out = (how.out.empty() ? std::string(".") : how.out) + "/checked";
}

/// `prepare` is called with the settings before the command line is read, and once more after a file; `check` when all is read.
/// trainer_of(dtype, checked) is that of a CUDA device, or of one that isn't there; null where the program has none.
template <class Prepare, class Check, class Trainer>
int program(int argc, char** argv, const char* name, Prepare&& prepare, Check&& check, Trainer&& trainer_of) {
  try {
    settings how;
    prepare(how);
    stretto::arguments a(name, "Trains a decoder model over the ranks of a pipeline.");
    how.declare(a);
    if (!a.read(argc, argv)) return std::fputs(a.help().c_str(), stdout), 0;
    apart(how);
    if (const std::string kept = how.out + "/gpt.conf"; how.resume && std::filesystem::exists(kept)) {  // what the run was told before
      a.read_file(kept);
      prepare(how);
      a.read(argc, argv);
      apart(how);
    }
    check(how);
    trainer train = how.dtype == "bf16" ? train_bf16 : how.dtype == "fp16" ? train_fp16 : train_fp32;
    if (how.device != "host" && (train = trainer_of(how.dtype, how.device == "checked")) == nullptr)
      throw stretto::error(stretto::text("stretto: ", name, " is to train in ", how.dtype, " with --device ", how.device, ", and was built without; ", name == std::string("gpt") ? "configure with -DSTRETTO_GPT_CUDA=" + how.dtype + (how.device == "cuda" ? " -DSTRETTO_CUDA_FRONT_END=OFF" : "") : std::string("take the program gpt")).str());
    std::fputs(a.table().c_str(), stdout);
    how.words = a.config();
    std::printf("\n");
    if (how.logs) stretto::dump_on_signals({SIGTERM, SIGUSR1});
    return train(how);
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

}  // namespace gpt
