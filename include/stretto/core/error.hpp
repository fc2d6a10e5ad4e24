// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one exception type of the library. what() is a sentence that begins "stretto: ", says what was found and what to
// do; `place` says where in numbers, so that a program can act on it.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace stretto::inline v0 {

/// Where something went wrong; -1 means that this coordinate doesn't apply.
struct error_place {
  int rank = -1;
  int step = -1;         ///< position in the rank's list
  int stage = -1;
  int micro_batch = -1;
  int line = -1;         ///< in a text that was read, from 1
  int column = -1;       ///< likewise
};

class error : public std::exception {
 public:
  explicit error(std::string_view sentence, const error_place& where = {}) : sentence_(sentence), place_(where) {}

  const char* what() const noexcept override { return sentence_.c_str(); }
  const error_place& place() const noexcept { return place_; }

 private:
  std::string sentence_;
  error_place place_;
};

}  // namespace stretto::inline v0
