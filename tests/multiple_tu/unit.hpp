// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What each of the two translation units tells main() about the plan that it made.
#pragma once

#include <typeinfo>

struct unit_report {
  bool ok;
  const std::type_info* plan_type;
};

unit_report report_of_one();
unit_report report_of_two();
