// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The algebra of plans, without input or output: passes and edges, routes, orders, the check, the simulation, the
// lowering. What reads and writes plans as text is in plan/csv.hpp and plan/render.hpp, pictures are in draw.hpp, schedules in
// schedule.hpp.
#pragma once

#include <stretto/core/error.hpp>
#include <stretto/core/version.hpp>
#include <stretto/plan/action.hpp>
#include <stretto/plan/assign_slots.hpp>
#include <stretto/plan/bounds.hpp>
#include <stretto/plan/check.hpp>
#include <stretto/plan/edge_rounds.hpp>
#include <stretto/plan/graph.hpp>
#include <stretto/plan/links.hpp>
#include <stretto/plan/lower.hpp>
#include <stretto/plan/lowered_costs.hpp>
#include <stretto/plan/make_plan.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/plan/simulate.hpp>
#include <stretto/plan/sizes.hpp>
#include <stretto/plan/spread.hpp>
#include <stretto/plan/verdict.hpp>
#include <stretto/plan/weight_order.hpp>
