// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All of looking at a run from its logs: reading and merging them, why it hangs, why ranks were idle, who is slow. It is apart
// from run.hpp because a program that runs doesn't need it; stretto-explain is this as a command.
#pragma once

#include <stretto/draw/html.hpp>
#include <stretto/draw/trace.hpp>
#include <stretto/run/bubbles.hpp>
#include <stretto/run/explain_hang.hpp>
#include <stretto/run/merge_logs.hpp>
#include <stretto/run/read_dump.hpp>
#include <stretto/run/stragglers.hpp>
