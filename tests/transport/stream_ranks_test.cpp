// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks as streams: the transport conforms, and what the device must wait for is waited for, on one device and several.
#include <memory>
#include <string>
#include <vector>

#include <stretto/cuda/checked.hpp>
#include <stretto/transport/conformance.hpp>
#include <stretto/transport/seeded.hpp>
#include <stretto/transport/stream_ranks.hpp>

#include "catch.hpp"

using namespace stretto;
using cuda::checked;
using streams = stream_ranks<checked>;

TEST_CASE("ranks as streams conform") {
  for (const int ranks : {1, 2, 4}) {
    checked::begin();
    for (const std::string& fault : conformance([&] { return std::make_unique<streams>(ranks, threads_options{.deadline = 0.4}); }, ranks, 0.4)) CHECK(fault == "");
    CHECK(checked::finish().empty());
  }
}

TEST_CASE("ranks lie on the devices that are named, or evenly on those that there are") {
  checked::begin({.devices = 2});
  {
    const streams even(4);
    CHECK(even.device(0) == 0);
    CHECK(even.device(1) == 0);
    CHECK(even.device(2) == 1);
    CHECK(even.device(3) == 1);
    const streams three(3), turned(2, {}, {.devices = {1, 0}});
    CHECK(three.device(1) == 0);
    CHECK(three.device(2) == 1);
    CHECK(turned.device(0) == 1);
    CHECK_THROWS_WITH(streams(2, {}, {.devices = {0}}), "stretto: 2 ranks are to be streams, and lane_options::devices has 1 devices; give one a rank, or none");
    CHECK_THROWS_WITH(streams(2, {}, {.devices = {0, 2}}), "stretto: there are 2 devices, and a rank is to be on device 2; name one from 0");
  }
  checked::begin({.devices = 0});
  CHECK_THROWS_WITH(streams(1), "stretto: there is no device whose streams could be ranks; see whether the driver finds one, or use threads");
}
