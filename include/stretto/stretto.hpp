// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All of plans: making, checking, timing, drawing and reading them. run.hpp is all of running them.
#pragma once

#include <stretto/core/mesh.hpp>
#include <stretto/plan.hpp>
#include <stretto/plan/csv.hpp>
#include <stretto/plan/render.hpp>
#include <stretto/schedule.hpp>
