// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The ranks of gpt as streams of CUDA devices: of one, or of all that there are, neighbours sharing. Nsight Systems shows their
// passes by name.
#pragma once

#include <set>

#include <stretto/cuda.cuh>
#include <stretto/cuda/checked.hpp>
#include <stretto/run/nvtx.hpp>
#include <stretto/train/file.hpp>
#include <stretto/transport/stream_ranks.hpp>

#include "../training.hpp"

namespace gpt {

template <class Runtime>
class as_streams : public together {
  using transport = stretto::stream_ranks<Runtime>;
  template <class Options>
  using optimizer_of = stretto::cuda::basic_optimizer<Runtime, Options>;

 public:
  using device = stretto::cuda::basic_device<Runtime>;
  static constexpr std::int64_t product = Runtime::watches ? 256 : 4096;  // whose rate is the roof
  static constexpr const char* worker = "a device";
  static constexpr bool computes = !Runtime::watches;

  explicit as_streams(const settings& how) : t_(there(how.ranks)) {}

  typename device::options queue(const settings& how) const {
    const std::int64_t tokens = how.samples * how.sequence * 4;
    typename device::options o;
    o.tf32 = how.tf32, o.product_table = how.products.empty() ? "" : stretto::read_file(how.products, 16 << 20);
    o.upload_bytes = tokens > o.upload_bytes ? tokens : o.upload_bytes;
    return o;
  }
  optimizer_of<stretto::adamw_options> optimizer(const stretto::adamw_options& o) const { return {o, false}; }
  double workers(const settings&) const {
    std::set<int> devices;
    for (int r = 0; r < t_.ranks(); ++r) devices.insert(t_.device(r));
    return static_cast<double>(devices.size());
  }

  template <class Model, class Optimizer>
  stretto::pipeline<Model, Optimizer, transport> bind(const Model& m, const stretto::cut& c, const stretto::plan& order, const Optimizer& o, stretto::pipeline_options how) {
    how.ranges = ranges_.hooks();
    return stretto::pipeline<Model, Optimizer, transport>(t_, m, c, order, o, how);
  }

 private:
  static int there(int ranks) {
    if (Runtime::devices() < 1) throw stretto::error("stretto: gpt is to train on a CUDA device, and there is none that the driver finds; see nvidia-smi, or take --device host");
    return ranks;
  }

  transport t_;
  stretto::nvtx_ranges ranges_;
};

template <class T>
int train_on_cuda(const settings& how) {
  as_streams<stretto::cuda::runtime> ranks(how);
  return train<T>(how, ranks);
}

/// Says what streams don't wait for, and ends with 1 where there is something.
template <class T>
int train_checked(const settings& how) {
  using stretto::cuda::checked;
  checked::begin({.seed = static_cast<std::uint32_t>(how.seed)});
  {
    as_streams<checked> ranks(how);
    if (const int failed = train<T>(how, ranks); failed != 0) return failed;
  }
  const auto faults = checked::finish();
  for (const std::string& fault : faults) std::fprintf(stderr, "%s\n", fault.c_str());
  std::printf("\n%lld pieces of work on streams, %d that something isn't waited for; nothing was computed\n", static_cast<long long>(checked::works()), static_cast<int>(faults.size()));
  return faults.empty() ? 0 : 1;
}

}  // namespace gpt
