// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All bundled models, for the CPU.
#pragma once

#include <stretto/host.hpp>
#include <stretto/model/transformer.hpp>
