// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A rank's passes and sends as NVTX ranges, which Nsight Systems shows above what the GPU does: domain "stretto", a colour a
// micro-batch.
//
//     nvtx_ranges ranges;                                              it must outlive the pipeline
//     pipeline p(model, cut, plan, adamw{}, {.ranges = ranges.hooks()});
// It is here where the compiler finds NVTX, which comes with the CUDA toolkit (-I/usr/local/cuda/include) and needs no library.
// Cost: some nanoseconds a range while no tool is attached.
#pragma once

#if __has_include(<nvtx3/nvToolsExt.h>)

#include <nvtx3/nvToolsExt.h>

#include <cstdint>

#include <stretto/run/ranges.hpp>

namespace stretto::inline v0 {

class nvtx_ranges {
 public:
  nvtx_ranges() : domain_(nvtxDomainCreateA("stretto")) { hooks_ = {begin, end, this}; }
  nvtx_ranges(const nvtx_ranges&) = delete;
  nvtx_ranges& operator=(const nvtx_ranges&) = delete;
  ~nvtx_ranges() { nvtxDomainDestroy(domain_); }

  /// For pipeline_options::ranges.
  const range_hooks* hooks() const { return &hooks_; }

  /// What a micro-batch is drawn in, as 0xAARRGGBB: eight colours that everybody can tell apart.
  static constexpr std::uint32_t colour(int micro_batch) {
    constexpr std::uint32_t all[8] = {0xff0072b2u, 0xffe69f00u, 0xff009e73u, 0xffcc79a7u, 0xff56b4e9u, 0xffd55e00u, 0xfff0e442u, 0xff7f7f7fu};
    return all[micro_batch < 0 ? 7 : micro_batch % 8];
  }

 private:
  static void begin(void* self, const char* name, int micro_batch) {
    nvtxEventAttributes_t what{};
    what.version = NVTX_VERSION;
    what.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    what.colorType = NVTX_COLOR_ARGB;
    what.color = colour(micro_batch);
    what.payloadType = NVTX_PAYLOAD_TYPE_INT32;
    what.payload.iValue = micro_batch;
    what.messageType = NVTX_MESSAGE_TYPE_ASCII;
    what.message.ascii = name;
    nvtxDomainRangePushEx(static_cast<nvtx_ranges*>(self)->domain_, &what);
  }
  static void end(void* self) { nvtxDomainRangePop(static_cast<nvtx_ranges*>(self)->domain_); }

  nvtxDomainHandle_t domain_;
  range_hooks hooks_;
};

}  // namespace stretto::inline v0

#endif
