// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All of the library that needs no other library.
#pragma once

#include <stretto/core/mesh.hpp>
#include <stretto/plan.hpp>
#include <stretto/plan/csv.hpp>
#include <stretto/plan/render.hpp>
#include <stretto/schedule.hpp>
