// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The algebra of plans, without input or output: passes and edges, routes, orders, the check, the simulation, the
// lowering. What reads and draws plans is in plan/csv.hpp and plan/render.hpp; schedules are in schedule.hpp.
#pragma once

#include <stretto/core/error.hpp>
#include <stretto/core/version.hpp>
#include <stretto/plan/action.hpp>
#include <stretto/plan/check.hpp>
#include <stretto/plan/graph.hpp>
#include <stretto/plan/links.hpp>
#include <stretto/plan/lower.hpp>
#include <stretto/plan/make_plan.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/plan/simulate.hpp>
#include <stretto/plan/sizes.hpp>
#include <stretto/plan/verdict.hpp>
