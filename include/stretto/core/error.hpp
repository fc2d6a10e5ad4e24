// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one exception type of the library. what() is a sentence that begins "stretto: ", says what was found and what to
// do; `place` says where in numbers, so that a program can act on it.
#pragma once

#include <exception>
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
  int layer = -1;        ///< of a model
};

class error : public std::exception {
 public:
  explicit error(std::string_view sentence, const error_place& where = {}) : shared_(new shared{1, new char[sentence.size() + 1]}), place_(where) {
    for (unsigned long i = 0; i < sentence.size(); ++i) shared_->sentence[i] = sentence[i];
    shared_->sentence[sentence.size()] = 0;
  }
  error(const error& other) noexcept : std::exception(other), shared_(other.shared_), place_(other.place_) { hold(); }
  error& operator=(const error& other) noexcept {
    error copy(other);
    shared* const mine = shared_;
    shared_ = copy.shared_;
    copy.shared_ = mine;
    place_ = other.place_;
    return *this;
  }
  ~error() override {
    if (__atomic_fetch_sub(&shared_->holders, 1, __ATOMIC_ACQ_REL) != 1) return;
    delete[] shared_->sentence;
    delete shared_;
  }

  const char* what() const noexcept override { return shared_->sentence; }
  const error_place& place() const noexcept { return place_; }

 private:
  struct shared {  // copying an exception must not throw, so copies share the sentence
    int holders;
    char* sentence;
  };
  void hold() noexcept { __atomic_fetch_add(&shared_->holders, 1, __ATOMIC_RELAXED); }

  shared* shared_;
  error_place place_;
};

}  // namespace stretto::inline v0
