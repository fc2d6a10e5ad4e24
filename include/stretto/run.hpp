// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All of running: layers and models, cuts, pipelines, and the transports that need no other library. It is apart from
// stretto.hpp because a program that only looks at plans shouldn't pay for threads and layers; order_choice.hpp
// chooses an order by what was measured, explain.hpp looks at what a run has left, and conformance.hpp, for transports of your own,
// stands by itself.
#pragma once

#include <stretto/run/dry_run.hpp>
#include <stretto/run/make_pipeline.hpp>
#include <stretto/run/pipeline.hpp>
#include <stretto/schedule.hpp>
#include <stretto/stage/cut.hpp>
#include <stretto/stage/make_stage.hpp>
#include <stretto/stage/narrow.hpp>
#include <stretto/transport/endpoint.hpp>
#include <stretto/transport/group.hpp>
#include <stretto/transport/recorded.hpp>
#include <stretto/transport/seeded.hpp>
#include <stretto/transport/threads.hpp>
