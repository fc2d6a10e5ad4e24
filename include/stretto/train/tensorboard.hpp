// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Curves for TensorBoard: an event file with scalars, written without its libraries.
//
//     event_file events("run/board");
//     events.scalar("loss", 4.12, step);          with the system at once, so a running training can be watched
//     event_file again("run/board", 120);         a run that goes on behind step 120: what older files say of later steps goes
//
//     record   length 8 | masked CRC-32C of it 4 | event | masked CRC-32C of that 4            numbers are little-endian
//     event    1 wall_time, 2 step, then one of: 3 file_version, 5 summary { 1 value { 1 tag, 2 simple_value } }, 7 session
// Values are floats, as TensorBoard holds them. Cost: about 50 bytes a scalar, and one write a step.
// Source: TensorFlow's record_writer.h, event.proto and summary.proto (the format); RFC 3720 appendix B.4 (CRC-32C).
#pragma once

#include <bit>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <stretto/train/log_file.hpp>
#include <stretto/train/step_report.hpp>

namespace stretto::inline v0 {

namespace detail {

struct crc32c_table {
  std::uint32_t of[256] = {};
  constexpr crc32c_table() {
    for (std::uint32_t i = 0; i < 256; ++i) {
      of[i] = i;
      for (int bit = 0; bit < 8; ++bit) of[i] = (of[i] >> 1) ^ ((of[i] & 1) != 0 ? 0x82f63b78u : 0u);
    }
  }
};

/// The checksum of Castagnoli, reflected.
constexpr std::uint32_t crc32c(std::string_view bytes) {
  constexpr crc32c_table table;
  std::uint32_t sum = 0xffffffffu;
  for (char c : bytes) sum = (sum >> 8) ^ table.of[(sum ^ static_cast<unsigned char>(c)) & 0xffu];
  return ~sum;
}

/// As records hold it: a checksum of bytes that hold their own checksum would be weak.
constexpr std::uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8u; }

template <class Number>
void put_bytes(std::string& out, Number n) {
  for (unsigned i = 0; i < sizeof n; ++i) out += static_cast<char>(static_cast<unsigned char>(n >> (8 * i)));
}

inline void put_varint(std::string& out, std::uint64_t n) {
  for (; n >= 0x80; n >>= 7) out += static_cast<char>(static_cast<unsigned char>(n | 0x80));
  out += static_cast<char>(n);
}

/// A field of bytes: its number, their length, they.
inline void put_field(std::string& out, int number, std::string_view bytes) {
  put_varint(out, static_cast<std::uint64_t>(number) << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

/// An event, but for what happens in it.
inline std::string event_at(double wall_time, std::int64_t step) {
  std::string out = "\x09";
  put_bytes(out, std::bit_cast<std::uint64_t>(wall_time));
  out += '\x10';
  put_varint(out, static_cast<std::uint64_t>(step));
  return out;
}

/// Adds a scalar to a summary.
inline void put_scalar(std::string& summary, std::string_view tag, double v) {
  std::string value;
  put_field(value, 1, tag);
  value += '\x15';
  put_bytes(value, std::bit_cast<std::uint32_t>(static_cast<float>(v)));
  put_field(summary, 1, value);
}

inline void put_record(std::string& out, std::string_view event) {
  std::string length;
  put_bytes(length, static_cast<std::uint64_t>(event.size()));
  out += length;
  put_bytes(out, masked_crc32c(length));
  out += event;
  put_bytes(out, masked_crc32c(event));
}

}  // namespace detail

class event_file {
 public:
  /// Makes the folder and a file in it. Throws stretto::error where that can't be.
  explicit event_file(const std::string& folder, std::int64_t resumed_from = 0) : file_(detail::log_file::make_only(path_in(folder))) {
    std::string out, event = detail::event_at(now(), 0);
    detail::put_field(event, 3, "brain.Event:2");
    detail::put_record(out, event);
    if (resumed_from > 0) {  // a session that starts at a step takes the place of what other files say from there on
      event = detail::event_at(now(), resumed_from + 1);
      detail::put_field(event, 7, "\x08\x01");
      detail::put_record(out, event);
    }
    file_.append(out);
  }

  /// Throws stretto::error where the disk is full, say.
  void scalar(std::string_view tag, double value, std::int64_t step) {
    std::string summary;
    detail::put_scalar(summary, tag, value);
    write(summary, step);
  }

  /// All measured numbers of a report, each as the curve of its name.
  void report(const step_report& r) {
    std::string summary;
    each_number(r, [&](std::string_view name, auto value, bool measured) {
      if (measured && name != "step" && name != "steps") detail::put_scalar(summary, name, static_cast<double>(value));
    });
    write(summary, r.step);
  }

  const std::string& path() const { return file_.path(); }

 private:
  static double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

  static std::string path_in(std::string folder) {
    folder += folder.empty() ? "./" : folder.back() == '/' ? "" : "/";
    detail::make_folders(folder);
    return folder + "events.out.tfevents." + std::to_string(static_cast<std::int64_t>(now())) + "." + detail::host_name() + "." + std::to_string(detail::process_number());
  }

  void write(const std::string& summary, std::int64_t step) {
    std::string out, event = detail::event_at(now(), step);
    detail::put_field(event, 5, summary);
    detail::put_record(out, event);
    file_.append(out);
  }

  detail::log_file file_;
};

}  // namespace stretto::inline v0
