// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From text to tokens and back: all tokenizers. A tokenizer has vocabulary(), end_of_text(), encode and decode.
//
//     byte_tokenizer     a token a byte; no training
//     pair_tokenizer     frequent pairs of tokens become one, found by train_pairs
#pragma once

#include <stretto/train/byte_tokenizer.hpp>
#include <stretto/train/pair_tokenizer.hpp>
#include <stretto/train/pair_training.hpp>
