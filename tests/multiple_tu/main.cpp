// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "unit.hpp"

int main() {
  const unit_report one = report_of_one();
  const unit_report two = report_of_two();
  return one.ok && two.ok && *one.plan_type == *two.plan_type ? 0 : 1;
}
