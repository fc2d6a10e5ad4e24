// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All bundled models, for the CPU.
#pragma once

#include <stretto/host.hpp>
#include <stretto/model/perceptron.hpp>
#include <stretto/model/residual_network.hpp>
#include <stretto/model/transformer.hpp>
#include <stretto/model/translation.hpp>
