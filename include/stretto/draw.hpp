// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pictures of plans and of runs: a timeline as SVG, as a page, as a trace. What a pipeline measured becomes a timeline in
// run/measured.hpp.
#pragma once

#include <stretto/draw/html.hpp>
#include <stretto/draw/svg.hpp>
#include <stretto/draw/timeline.hpp>
#include <stretto/draw/trace.hpp>
