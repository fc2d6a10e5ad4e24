// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The inside of libraries a and b; side.cpp gives it its name outside.
#include <dlfcn.h>

#include <stretto/cuda/kernels/numbers.cuh>
#ifdef STRETTO_OPEN  // as if nothing were hidden: the checks must object
#undef STRETTO_KERNEL
#define STRETTO_KERNEL __global__
#undef STRETTO_OPERATION
#define STRETTO_OPERATION
#endif

#include <vector>

#include <stretto/cuda/add.cuh>
#include <stretto/cuda/attention.cuh>
#include <stretto/cuda/checked.hpp>
#include <stretto/cuda/device.hpp>
#include <stretto/cuda/matrix_product.cuh>
#include <stretto/cuda/rms_norm.cuh>

#include "library.hpp"

using namespace stretto;
using cuda::checked;

namespace {

const void* library_of(const void* address) {
  Dl_info found{};
  return dladdr(address, &found) != 0 ? found.dli_fbase : nullptr;
}
const void* this_library() { return library_of(reinterpret_cast<const void*>(&this_library)); }

}  // namespace

/// checked, which keeps what libraries kernels and launches are of. One type for all of them, as the real runtime is.
struct noted : checked {
  struct launched {
    const void *kernel, *launch;
  };
  static std::vector<launched>& all() {
    static std::vector<launched> kept;
    return kept;
  }
  template <class Arguments>
  STRETTO_OPERATION static void launch(const char* who, void (*kernel)(Arguments), const cuda::launch_shape& shape, stream s, const Arguments& a, const cuda::touch* touches, int count) {
    if (kernel != nullptr) all().push_back({library_of(reinterpret_cast<const void*>(kernel)), this_library()});
    checked::launch(who, kernel, shape, s, a, touches, count);
  }
};

namespace {

/// Eight numbers of one value on the device.
template <class Runtime>
tensor<float, 2, cuda::basic_memory<Runtime>> eight(float value) {
  tensor<float, 2, cuda::basic_memory<Runtime>> t({1, 8});
  const float numbers[] = {value, value, value, value, value, value, value, value};
  cuda::to_device(tensor_view<float, 2, cuda::basic_memory<Runtime>>(t), numbers);
  return t;
}
template <class Runtime>
float first_of(const tensor<float, 2, cuda::basic_memory<Runtime>>& t) {
  float numbers[8];
  cuda::to_host(tensor_view<float, 2, cuda::basic_memory<Runtime>>(t), numbers);
  return numbers[0];
}

template <class Runtime>
void operate(library_report& r) {
  using memory = cuda::basic_memory<Runtime>;
  cuda::basic_queue<Runtime> q({.scratch_bytes = 1 << 20, .upload_bytes = 256});
  cuda::basic_stream<Runtime> other;
  cuda::basic_event<Runtime> done;
  const auto least = eight<Runtime>(1e-40f), ones = eight<Runtime>(1), sum = eight<Runtime>(7), attended = eight<Runtime>(7);
  const tensor<float, 2, memory> product({1, 1});
  const tensor<float, 2, memory> lse({1, 1});
  const auto heads = [](const auto& t) { return tensor_view<float, 3, memory>(t.data(), {{1, 1, 8}}); };
  cuda::add(q, least, least, tensor_view<float, 2, memory>(sum));
  cuda::matrix_product(q, tensor_view<float, 2, memory>(ones), transposed(tensor_view<float, 2, memory>(ones)), tensor_view<float, 2, memory>(product), {.kind = activation::relu});
  cuda::attention(q, heads(ones), heads(ones), heads(ones), {}, {}, heads(attended), lse);
  cuda::rms_norm(q, ones, {}, tensor_view<float, 2, memory>(ones));
  done.record(q.where());
  done.hold(other.get());
  q.synchronize(), other.synchronize();
  r.sum = first_of<Runtime>(sum), r.attended = first_of<Runtime>(attended);
  cuda::to_host(tensor_view<float, 2, memory>(product), &r.product);
}

}  // namespace

__attribute__((visibility("hidden"))) void look_inside(library_report* r) {
  noted::all().clear();
  checked::begin();
  operate<noted>(*r);
  r->faults = static_cast<int>(checked::finish().size());
  for (const noted::launched& l : noted::all()) ++r->launched, r->foreign += l.kernel != this_library() || l.launch != this_library() ? 1 : 0;
#ifndef STRETTO_OPEN  // has no kernels for a device
  r->has_device = cuda::runtime::devices() > 0;
  if (r->has_device) operate<cuda::runtime>(*r);
#else
  static_cast<void>(&operate<cuda::runtime>);
#endif
}
