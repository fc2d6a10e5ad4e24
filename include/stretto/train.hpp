// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All of training besides running: files of tokens and loaders, tokenizers, rates, checkpoints, weights of other tools,
// reports, options of programs, and the check of gradients. Each header stands by itself, too.
#pragma once

#include <stretto/train/arguments.hpp>
#include <stretto/train/checkpoint.hpp>
#include <stretto/train/gradient_check.hpp>
#include <stretto/train/loss_page.hpp>
#include <stretto/train/loss_scale.hpp>
#include <stretto/train/make_tokens.hpp>
#include <stretto/train/model_flops.hpp>
#include <stretto/train/outlier.hpp>
#include <stretto/train/progress.hpp>
#include <stretto/train/published_weights.hpp>  // knows a model's shape, no layers: 0.04 s of 1.5
#include <stretto/train/rate.hpp>
#include <stretto/train/sinks.hpp>
#include <stretto/train/token_feed.hpp>
