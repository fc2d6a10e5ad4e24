// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// main() of every test program, with Catch2 2.13 and 3 alike.
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

// Catch2 exits with the number of failed assertions; 77 of them would read as "skipped", hence the plain 1.
int main(int argc, char** argv) { return Catch::Session().run(argc, argv) == 0 ? 0 : 1; }
