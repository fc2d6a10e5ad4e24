// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All that the CPU does with tensors: the device's types and every operation. Each operation has a header of its own, which
// costs less; this one is for programs that use most of them. host/blas.hpp, which needs a BLAS, stands by itself.
#pragma once

#include <stretto/host/activation.hpp>
#include <stretto/host/add.hpp>
#include <stretto/host/attention.hpp>
#include <stretto/host/attention_backward.hpp>
#include <stretto/host/cast.hpp>
#include <stretto/host/chunked_cross_entropy.hpp>
#include <stretto/host/convolution.hpp>
#include <stretto/host/copy_rows.hpp>
#include <stretto/host/cross_entropy.hpp>
#include <stretto/host/device.hpp>
#include <stretto/host/dropout.hpp>
#include <stretto/host/embedding.hpp>
#include <stretto/host/gated_unit.hpp>
#include <stretto/host/gradient_norm.hpp>
#include <stretto/host/layer_norm.hpp>
#include <stretto/host/matrix_product.hpp>
#include <stretto/host/muon.hpp>
#include <stretto/host/optimizer.hpp>
#include <stretto/host/pooling.hpp>
#include <stretto/host/rms_norm.hpp>
#include <stretto/host/rotary.hpp>
#include <stretto/host/softmax.hpp>
#include <stretto/host/split_rotary.hpp>
#include <stretto/host/squared_error.hpp>
#include <stretto/tensor/arena.hpp>
#include <stretto/tensor/tensor.hpp>
