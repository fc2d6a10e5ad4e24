// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two libraries with the same kernels in one program: each library's calls launch its own.
//
//     libraries_linked                            both are linked to it
//     libraries_loaded global|local FIRST SECOND  loads both, RTLD_GLOBAL or RTLD_LOCAL
// Where there is a device, its results are looked at, too; with --device at the end: 77 where there is none.
#include <dlfcn.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "library.hpp"

namespace {

struct side {
  const char* name;
  void (*look)(library_report*);
  float sum;  ///< what this library's kernel makes of 1e-40 + 1e-40
};

#ifndef STRETTO_LINKED
side loaded(const char* path, int how) {
  void* const library = dlopen(path, RTLD_NOW | how);
  if (library == nullptr) return std::printf("%s\n", dlerror()), side{path, nullptr, 0};
  void* const a = dlsym(library, "look_at_a");
  return {path, reinterpret_cast<void (*)(library_report*)>(a != nullptr ? a : dlsym(library, "look_at_b")), a != nullptr ? 2e-40f : 0.0f};
}
#endif

bool good(const side& s, bool wants_device) {
  if (s.look == nullptr) return false;
  library_report r;
  s.look(&r);
  std::printf("%s: %d kernels launched, %d of another library, %d faults\n", s.name, r.launched, r.foreign, r.faults);
  if (wants_device && !r.has_device) std::puts("no device"), std::exit(77);
  if (r.has_device)
    std::printf("%s: 1e-40 + 1e-40 = %g, product %g, attention %g\n", s.name, static_cast<double>(r.sum), static_cast<double>(r.product), static_cast<double>(r.attended));
  return r.launched > 0 && r.foreign == 0 && r.faults == 0 && (!r.has_device || (std::abs(r.sum - s.sum) < 1e-44f && r.product == 8 && r.attended == 1));
}

}  // namespace

int main(int argc, char** argv) {
  const bool wants_device = argc > 1 && std::strcmp(argv[argc - 1], "--device") == 0;
#ifdef STRETTO_LINKED
  const side sides[] = {{"a", look_at_a, 2e-40f}, {"b", look_at_b, 0}};
#else
  if (argc < 4) return std::puts("libraries_loaded global|local FIRST SECOND [--device]"), 2;
  const int how = std::strcmp(argv[1], "global") == 0 ? RTLD_GLOBAL : RTLD_LOCAL;
  const side sides[] = {loaded(argv[2], how), loaded(argv[3], how)};
#endif
  const bool first = good(sides[0], wants_device), second = good(sides[1], wants_device);
  return first && second ? 0 : 1;
}
