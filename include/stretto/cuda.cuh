// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All that a CUDA device does with tensors: its types, every operation, and the optimizer of a pipeline. Each operation has a
// header of its own, which costs less. For nvcc; cuda/checked.hpp and the transport over it need none.
//
//     cuda_streams t(4);                                              ranks as streams (transport/cuda_streams.hpp)
//     pipeline p(t, transformer<cuda::device, bf16>(shape), cut, plan, cuda::optimizer{adamw_options{.rate = 3e-4}});
#pragma once

#include <stretto/cuda/activation.cuh>
#include <stretto/cuda/add.cuh>
#include <stretto/cuda/attention.cuh>
#include <stretto/cuda/attention_backward.cuh>
#include <stretto/cuda/cast.cuh>
#include <stretto/cuda/chunked_cross_entropy.cuh>
#include <stretto/cuda/convolution.cuh>
#include <stretto/cuda/copy_rows.cuh>
#include <stretto/cuda/cross_entropy.cuh>
#include <stretto/cuda/device.hpp>
#include <stretto/cuda/dropout.cuh>
#include <stretto/cuda/embedding.cuh>
#include <stretto/cuda/gated_unit.cuh>
#include <stretto/cuda/gradient_norm.cuh>
#include <stretto/cuda/layer_norm.cuh>
#include <stretto/cuda/matrix_product.cuh>
#include <stretto/cuda/muon.cuh>
#include <stretto/cuda/optimizer.cuh>
#include <stretto/cuda/pipeline_optimizer.cuh>
#include <stretto/cuda/pooling.cuh>
#include <stretto/cuda/rms_norm.cuh>
#include <stretto/cuda/rotary.cuh>
#include <stretto/cuda/softmax.cuh>
#include <stretto/cuda/split_rotary.cuh>
#include <stretto/cuda/squared_error.cuh>
#include <stretto/cuda/tied_gradients.cuh>
