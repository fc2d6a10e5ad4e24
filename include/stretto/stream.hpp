// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All of service: pipelines whose items come one by one, for as long as they come.
#pragma once

#include <stretto/run.hpp>
#include <stretto/stream/requests.hpp>
#include <stretto/stream/stream.hpp>
