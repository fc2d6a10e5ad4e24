// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The event file: known checksums, the bytes of an event one by one, and a small reader that finds every scalar again.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <stretto/train/tensorboard.hpp>

#include "catch.hpp"

using namespace stretto;

static_assert(detail::crc32c("123456789") == 0xE3069283u);

namespace {

struct read_scalar {
  std::string tag;
  float value;
  std::int64_t step;
};

struct read_events {
  std::string version;
  std::vector<read_scalar> scalars;
  std::int64_t session = -1;  // the step where one starts
};

/// Fields of a message; what a record holds is short, so every length must fit.
struct field_reader {
  std::string_view left;
  std::uint64_t varint() {
    std::uint64_t n = 0;
    for (int shift = 0;; shift += 7) {
      REQUIRE(!left.empty());
      const auto byte = static_cast<unsigned char>(left[0]);
      left.remove_prefix(1);
      n |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return n;
    }
  }
  std::string_view take(std::size_t n) {
    REQUIRE(left.size() >= n);
    const std::string_view front = left.substr(0, n);
    left.remove_prefix(n);
    return front;
  }
};

template <class Number>
Number number_at(std::string_view bytes) {
  Number n;
  std::memcpy(&n, bytes.data(), sizeof n);
  return n;
}

read_events events_in(const std::string& path) {
  std::string all;
  detail::each_piece(path, false, [&](std::string_view piece) { return all += piece, true; });
  read_events found;
  field_reader file{all};
  while (!file.left.empty()) {
    const std::string_view length = file.take(8);
    CHECK(number_at<std::uint32_t>(file.take(4)) == detail::masked_crc32c(length));
    field_reader event{file.take(number_at<std::uint64_t>(length))};
    CHECK(number_at<std::uint32_t>(file.take(4)) == detail::masked_crc32c({event.left.data(), number_at<std::uint64_t>(length)}));
    std::int64_t step = 0;
    while (!event.left.empty()) {
      const std::uint64_t key = event.varint();
      if (key == 9) {
        CHECK(number_at<double>(event.take(8)) > 1e9);
      } else if (key == 16) {
        step = static_cast<std::int64_t>(event.varint());
      } else {
        REQUIRE((key & 7) == 2);
        field_reader inside{event.take(event.varint())};
        if (key >> 3 == 3) found.version = inside.left;
        if (key >> 3 == 7) found.session = step;
        while (key >> 3 == 5 && !inside.left.empty()) {
          REQUIRE(inside.varint() == 10);
          field_reader value{inside.take(inside.varint())};
          REQUIRE(value.varint() == 10);
          const std::string tag(value.take(value.varint()));
          REQUIRE(value.varint() == 21);
          found.scalars.push_back({tag, number_at<float>(value.take(4)), step});
        }
      }
    }
  }
  return found;
}

struct folder_of_events {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("stretto_events_" + std::to_string(::getpid()));
  ~folder_of_events() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("checksums of known bytes") {
  CHECK(detail::crc32c("") == 0);
  CHECK(detail::crc32c("a") == 0xC1D04330u);
  CHECK(detail::crc32c(std::string(32, '\0')) == 0x8A9136AAu);  // this and the next two: RFC 3720
  CHECK(detail::crc32c(std::string(32, '\xff')) == 0x62A8AB43u);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  CHECK(detail::crc32c(rising) == 0x46DD794Eu);
  const std::uint32_t plain = detail::crc32c("foo");
  CHECK(detail::masked_crc32c("foo") == ((plain >> 15) | (plain << 17)) + 0xa282ead8u);
}

TEST_CASE("an event has the bytes that the format says") {
  std::string event = detail::event_at(1.5, 300), summary;
  detail::put_scalar(summary, "a", 2);
  detail::put_field(event, 5, summary);
  CHECK(event == std::string("\x09\0\0\0\0\0\0\xF8\x3F\x10\xAC\x02\x2A\x0A\x0A\x08\x0A\x01"
                             "a\x15\0\0\0\x40",
                             24));
  std::string record;
  detail::put_record(record, event);
  CHECK(record.size() == 8 + 4 + 24 + 4);
  CHECK(record.substr(0, 8) == std::string("\x18\0\0\0\0\0\0\0", 8));
}

TEST_CASE("every scalar is found again") {
  const folder_of_events at;
  event_file events((at.path / "run").string());
  CHECK(std::filesystem::path(events.path()).filename().string().substr(0, 20) == "events.out.tfevents.");
  for (int step = 1; step <= 200; ++step) events.scalar("loss", 10.0 / step, step);
  step_report r;
  r.step = 201, r.loss = std::nan(""), r.tokens = 4096;
  events.report(r);
  const read_events found = events_in(events.path());
  CHECK(found.version == "brain.Event:2");
  CHECK(found.session == -1);
  REQUIRE(found.scalars.size() == 203);
  CHECK(found.scalars[6].tag == "loss");
  CHECK(found.scalars[6].value == static_cast<float>(10.0 / 7));
  CHECK(found.scalars[6].step == 7);
  CHECK(found.scalars[200].tag == "loss");
  CHECK(std::isnan(found.scalars[200].value));
  CHECK(found.scalars[201].tag == "tokens");
  CHECK(found.scalars[201].value == 4096);
  CHECK(found.scalars[202].tag == "skipped");
}

TEST_CASE("a run that goes on starts a session behind its step, in a file of its own") {
  const folder_of_events at;
  event_file first(at.path.string()), second(at.path.string(), 120);
  CHECK(first.path() != second.path());
  second.scalar("loss", 1, 121);
  CHECK(events_in(second.path()).session == 121);
  CHECK(events_in(second.path()).scalars.size() == 1);
}

TEST_CASE("an event file that can not be made is refused in words") {
  CHECK_THROWS_WITH(event_file("/dev/null/board"), "stretto: the folder '/dev/null' can't be made (Not a directory); give a place where that is allowed and has room");
}
